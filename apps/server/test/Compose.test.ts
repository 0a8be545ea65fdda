import { randomInt } from "node:crypto"
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { ExecutionSummary } from "@bulkhead/domain"
import { Command, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Ref, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as ComposeFile from "./ComposeFile.js"
import * as Checks from "./CrashChecks.js"
import { at, database, onPostgres, type Server, startAll } from "./ReplicaServers.js"
import * as ServerProcess from "./ServerProcess.js"

const deploy = (name: string) => fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url))
const nginx = (process.env.PATH ?? "")
  .split(delimiter)
  .map((place) => join(place, "nginx"))
  .find((path) => existsSync(path))
const on = nginx === undefined ? describe.skip : onPostgres

const users = ["ann", "bob", "cid", "dan"]
const keyOf = (user: string) => `key-of-${user}-${"0".repeat(20)}`
const values = {
  BULKHEAD_ADMIN_TOKEN: ServerProcess.adminToken,
  BULKHEAD_API_KEYS: users.map((user) => `${user}:${keyOf(user)}`).join(","),
  BULKHEAD_DATABASE_PASSWORD: "unused"
}
const names = ["bulkhead-1", "bulkhead-2", "bulkhead-3"]

/** Every container has an address of its own, so that its ports are its own: here of this machine alone. */
const addresses = Effect.sync(() => {
  const network = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const of = (index: number) => `${network}.${index + 1}`
  return new Map([...names, "balancer"].map((name, index) => [name, of(index)] as const))
})
type Addresses = Effect.Effect.Success<typeof addresses>

const addressOf = (all: Addresses, name: string) => all.get(name) ?? "no such service"

/** What a container has in its environment, with the places of this machine instead of its own. */
const settingsOf = Effect.fnUntraced(function* (all: Addresses, databaseUrl: string) {
  const services = yield* ComposeFile.services(deploy("compose.replicas.yaml"), values)
  const image = yield* ComposeFile.imageEnvironment(deploy("Dockerfile"))
  assert.includeMembers(Object.keys(services), [...names, "database", "balancer"])
  return yield* Effect.forEach(names, (name) =>
    Effect.map(ServerProcess.temporaryDirectory, (directory): Readonly<Record<string, string>> => {
      const given = services[name]?.environment ?? {}
      assert.strictEqual(given.SANDBOX_CLUSTER_HOST, name)
      assert.match(given.DATABASE_URL ?? "", /^postgresql:\/\/bulkhead:unused@database:5432\/bulkhead$/)
      return {
        ...image,
        ...given,
        HOST: addressOf(all, name),
        SANDBOX_CLUSTER_HOST: addressOf(all, name),
        SANDBOX_DATA_DIR: directory,
        DATABASE_URL: databaseUrl
      }
    })
  )
})

/** nginx with the balancer's own file, and this machine's places in it. Gives the address that it listens on. */
const balancer = Effect.fnUntraced(function* (program: string, all: Addresses) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* ServerProcess.temporaryDirectory
  const listen = `${addressOf(all, "balancer")}:8080`
  const ours = (text: string) =>
    names
      .reduce((sofar, name) => sofar.replaceAll(`${name}:`, `${addressOf(all, name)}:`), text)
      .replace("listen 8080;", `listen ${listen};`)
      .replaceAll("/etc/nginx/bulkhead-proxy.conf", deploy("nginx/proxy.conf"))
  const server = ours(yield* fs.readFileString(deploy("nginx/balancer.conf")))
  assert.include(server, `listen ${listen};`)
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`
  )
  const user = process.getuid?.() === 0 ? "user root;" : ""
  yield* fs.writeFileString(
    `${directory}/nginx.conf`,
    [
      `${user} daemon off; worker_processes 1; pid ${directory}/pid; error_log stderr crit;`,
      "events {}",
      `http { access_log off; ${temporary.join(" ")}`,
      server,
      "}"
    ].join("\n")
  )
  const words = ["--pdeathsig", "TERM", "--", program, "-e", "stderr", "-c", `${directory}/nginx.conf`]
  yield* Command.start(Command.stderr(Command.make("setpriv", ...words), "inherit"))
  return `http://${listen}`
})

const toUser = (user: string, more: Readonly<Record<string, string>> = {}) => ({
  method: "POST",
  headers: { authorization: `Bearer ${keyOf(user)}`, "content-type": "application/json", ...more }
})

const often = { times: 600, schedule: Schedule.spaced("100 millis") }

/** Has a program run, asking again with the same key for as long as the answer is that it cannot run now. */
const execute = (user: string, key: string, request: object) =>
  Caller.tryFetchJson("/api/execute", {
    ...toUser(user, { "idempotency-key": key }),
    body: JSON.stringify({ language: "bash", ...request })
  }).pipe(
    Effect.filterOrFail(
      ({ status }) => ![429, 502, 503].includes(status),
      ({ status }) => `answered ${status}` as const
    ),
    Effect.retry(often),
    Effect.orDie
  )

/** Sends a file ahead and has a program read it: a caller's requests come to the server that holds the file. */
const useFile = Effect.fnUntraced(function* (user: string) {
  const sent = yield* Caller.fetchJson("/api/files?name=in.txt", {
    ...toUser(user, { "content-type": "application/octet-stream" }),
    body: `of ${user}`
  })
  assert.strictEqual(sent.status, 201)
  const files = [{ path: "in.txt", fileId: sent.body.fileId }]
  const { body } = yield* execute(user, `file-${user}`, { code: "cat in.txt", files })
  assert.deepInclude(body, { verdict: "Completed", stdout: `of ${user}` }, JSON.stringify(body))
  return body.executionId as string
})

/** Asks without a pause until it is over. Each answer is that of its own program. Gives their executions. */
const askOnAndOn = Effect.fnUntraced(function* (user: string, isOver: Ref.Ref<boolean>) {
  const executionIds: Array<string> = []
  while (!(yield* Ref.get(isOver))) {
    const word = `${user}-${executionIds.length}`
    const { body, status } = yield* execute(user, word, { code: `sleep 1; echo ${word}` })
    assert.deepInclude({ status, ...body }, { status: 200, verdict: "Completed", stdout: `${word}\n` })
    executionIds.push(body.executionId)
  }
  return executionIds
})

const stop = Effect.fnUntraced(function* (server: Server | undefined) {
  assert(server !== undefined)
  yield* server.kill("SIGTERM")
  assert.deepInclude(yield* server.ended, { code: 0 })
})

on("what deploy/compose.replicas.yaml describes", { timeout: 600_000 }, () => {
  it.scopedLive("is one service, of which each server can be stopped in turn without an answer lost", () =>
    Effect.gen(function* () {
      yield* ServerProcess.bundled
      const all = yield* addresses
      const settings = yield* settingsOf(all, yield* database)
      const [first, second, third] = yield* startAll(settings)
      const url = yield* balancer(nginx ?? "", all)
      const service = at(
        ServerProcess.ServerProcess.of({ url, kill: () => Effect.void, ended: Effect.never })
      )
      yield* service(Caller.tryFetchJson("/health")).pipe(Effect.retry(often))
      const withFiles = yield* service(Effect.forEach(users, useFile, { concurrency: 2 }))

      const isOver = yield* Ref.make(false)
      const asking = yield* Effect.fork(
        service(Effect.forEach(users, (user) => askOnAndOn(user, isOver), { concurrency: "unbounded" }))
      )
      yield* stop(first)
      yield* stop(second)
      yield* startAll(settings.slice(0, 1))
      yield* stop(third)
      yield* Ref.set(isOver, true)
      const answered = yield* Fiber.join(asking)
      for (const { length } of answered) assert.isAbove(length, 0)
      const executions: ReadonlyArray<ExecutionSummary> = yield* service(Checks.listAll)
      const ran = executions.filter(({ state, verdict }) => state === "ended" && verdict === "Completed")
      // What waited at a server that was stopped was turned away, and asked again.
      const turnedAway = executions.filter(({ verdict }) => verdict === "Rejected")
      assert.strictEqual(ran.length + turnedAway.length, executions.length)
      // One of each key, and the one that read a file.
      assert.sameMembers(
        ran.map(({ executionId }): string => executionId),
        [...withFiles, ...answered.flat()]
      )
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
