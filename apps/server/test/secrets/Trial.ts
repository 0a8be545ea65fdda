import { randomBytes } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { SecretForms } from "@bulkhead/masking"
import { Array as Arr, Effect } from "effect"
import * as Caller from "../Caller.js"
import * as ServerProcess from "../ServerProcess.js"
import * as WebhookReceiver from "../WebhookReceiver.js"
import * as EchoHost from "./EchoHost.js"
import { programs, type SecretProgram, valueOf } from "./Programs.js"

/** Programs at once: as many as two cores keep busy. */
const atOnce = 6

/** A program, the secret that it may use, and what came of it. */
interface Ended {
  readonly program: SecretProgram
  readonly value: string
  readonly status: number
  readonly told: string
  readonly stdout: string
  readonly events: string
}

const run = (program: SecretProgram, host: Effect.Effect.Success<typeof EchoHost.make>, webhook: string) =>
  Effect.gen(function* () {
    const value = valueOf(randomBytes(16).toString("hex"))
    const { body, status } = yield* Caller.post({
      ...{ code: program.code, language: program.language, timeout: 60, webhook },
      userId: `user-${value.slice(-1)}`,
      env: { PORT: String(host.port), OTHER: String(host.otherPort), PLAIN: String(host.plainPort) },
      secrets: { KEY: { value, hosts: [`${EchoHost.ownName}:${host.port}`] } }
    })
    const events = yield* Caller.logs(body.executionId)
    const ended: Ended = {
      ...{ program, value, status },
      told: JSON.stringify(body),
      stdout: String(body.stdout),
      events: JSON.stringify(events)
    }
    return ended
  })

const filesIn = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** A value where it must not be, or a program that did not do what it was to do. */
export type Finding = string

/** Whether the hosts had the value as they should: the one of the secret in headers alone, and the others never. */
const atHosts = (
  { own, others }: Effect.Effect.Success<typeof EchoHost.make>,
  ended: ReadonlyArray<Ended>
) => {
  const headers = own.map((received) => received.headers.join("\n"))
  const decoded = headers.map((text) =>
    text.replace(/Basic (\S+)/g, (_, letters: string) => Buffer.from(letters, "base64").toString())
  )
  const rest = own.map(({ body, url }) => url + body)
  const elsewhere = others.map((received) => JSON.stringify(received))
  return ended.flatMap(({ program, value }) => [
    ...(decoded.some((text) => text.includes(value)) === program.isHonest
      ? []
      : [`${program.name}: its host ${program.isHonest ? "never got" : "got"} the value`]),
    ...([...rest, ...elsewhere].some((text) => new SecretForms([{ value, shown: "x" }]).isIn(text))
      ? [`${program.name}: the value came to another host, or not in a header`]
      : [])
  ])
}

/** Runs so many programs with secrets on a server of its own, and looks for the values everywhere. */
export const findings = (count: number): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.scoped(
    Effect.gen(function* () {
      const host = yield* EchoHost.make
      const directory = yield* ServerProcess.temporaryDirectory
      const authority = join(directory, "authority.pem")
      const preload = join(directory, "names.mjs")
      yield* Effect.sync(() => {
        writeFileSync(authority, host.certificate)
        writeFileSync(preload, EchoHost.preload)
      })
      const receiver = yield* WebhookReceiver.make()
      const data = join(directory, "data")
      const server = yield* ServerProcess.start({
        NODE_OPTIONS: `--import ${preload}`,
        SANDBOX_DATA_DIR: data,
        SANDBOX_NETWORK: "open",
        SANDBOX_NETWORK_PRIVATE: "127.0.0.1",
        SANDBOX_NETWORK_CA: authority,
        SANDBOX_WEBHOOK_NETWORKS: "127.0.0.0/8",
        SANDBOX_EVENT_LOG: "stdout"
      })
      const ended = yield* Effect.forEach(
        Arr.makeBy(count, (index) => programs[index % programs.length] as SecretProgram),
        (program) => run(program, host, `${receiver.url}/end`),
        { concurrency: atOnce }
      ).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
      yield* Effect.replicateEffect(receiver.next, count, { discard: true })
      const kept = () => filesIn(data).map((path) => [path, readFileSync(path)] as const)
      const whileItRuns = yield* Effect.sync(kept)
      yield* server.kill("SIGTERM")
      const { stderr, stdout } = yield* server.ended
      const places: ReadonlyArray<readonly [string, string | Uint8Array]> = [
        ...whileItRuns,
        ...(yield* Effect.sync(kept)),
        ["what the server wrote", stdout + stderr],
        ...ended.flatMap(
          ({ events, program, told }): ReadonlyArray<readonly [string, string]> => [
            [`the result of ${program.name}`, told],
            [`the events of ${program.name}`, events]
          ]
        ),
        ...receiver.copies.map(({ text }) => ["a webhook", text] as const)
      ]
      const forms = new SecretForms(ended.map(({ value }) => ({ value, shown: "x" })))
      return [
        ...ended.flatMap(({ program, status, stdout: said, told }) => [
          ...(status === 200 && said.includes("DONE")
            ? []
            : [`${program.name}: ${status} ${told.slice(0, 1500)}`]),
          ...(said.includes("FOUND") ? [`${program.name} saw the value: ${said}`] : [])
        ]),
        ...atHosts(host, ended),
        ...places.filter(([, bytes]) => forms.isIn(bytes)).map(([place]) => `a value is in ${place}`)
      ]
    })
  )
