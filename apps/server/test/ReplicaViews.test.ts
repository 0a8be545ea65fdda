import type { ExecutionSummary } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import * as Caller from "./Caller.js"
import { at, begin, database, eventsOf, listed, onPostgres, type Server, startAll } from "./ReplicaServers.js"
import * as ServerProcess from "./ServerProcess.js"

const threeReplicas = Effect.gen(function* () {
  yield* ServerProcess.bundled
  const settings = {
    DATABASE_URL: yield* database,
    SANDBOX_CLUSTER: "on",
    SANDBOX_ARTIFACT_STORE: "database",
    SANDBOX_KILL_GRACE_PERIOD: "1"
  }
  return yield* startAll([settings, settings, settings])
})

/** Follows a program that runs at one replica by way of another one, and kills it by way of that. */
const followAndKill = Effect.fnUntraced(function* (asked: Server, executionId: string) {
  const began = yield* Deferred.make<void>()
  const stream = yield* Effect.fork(
    eventsOf(asked, executionId, (text) => {
      if (text.includes("hello")) Deferred.unsafeDone(began, Effect.void)
    })
  )
  yield* Deferred.await(began)
  const found: ExecutionSummary = yield* at(asked)(Caller.get(`/api/sandbox/executions/${executionId}`))
  assert.strictEqual(found.state, "running")
  assert.strictEqual(yield* at(asked)(Caller.kill(executionId)), 200)
  assert.match(yield* Fiber.join(stream), /event: result\n.*"verdict":"Killed"/)
  assert.strictEqual(yield* at(asked)(Caller.kill(executionId)), 409)
})

/** Reads by way of one replica all that is kept of a program that has ended at another one. */
const readAll = Effect.fnUntraced(function* (asked: Server, executionId: string, word: string) {
  assert.match(yield* eventsOf(asked, executionId), /event: result\n.*"verdict":"Completed"/)
  const path = `/api/executions/${executionId}`
  const { result, state } = yield* at(asked)(Caller.get(path))
  assert.deepInclude({ state, ...result }, { state: "ended", verdict: "Completed", stdout: `${word}\n` })
  const logs = yield* at(asked)(Caller.logs(executionId))
  const events = logs.map(({ event }) => event)
  assert.includeMembers(events, ["execution_started", "execution_completed"])
  const file = yield* at(asked)(Caller.download(`${path}/artifacts/kept.txt`))
  assert.deepStrictEqual([file.status, file.content.toString()], [200, `${word}\n`])
  const zip = yield* at(asked)(Caller.download(`${path}/artifacts.zip`))
  assert.deepStrictEqual([zip.status, zip.content.includes(word)], [200, true])
})

onPostgres("each of three replicas", { timeout: 240_000 }, () => {
  it.scopedLive("has the executions of each other one: kill, list, logs, stream, result and artifacts", () =>
    Effect.gen(function* () {
      const servers = yield* threeReplicas
      // Each knows of all before anything is counted.
      yield* Effect.forEach(servers, (server) => listed(server, "running", 0))
      const pairs = servers.flatMap((holder, index) =>
        servers
          .filter((asked) => asked !== holder)
          .map((asked, other) => ({ asked, holder, name: `${index}-${other}` }))
      )
      const running = yield* Effect.forEach(
        pairs,
        ({ holder, name }) => begin(holder, `user-${name}`, "echo hello; sleep 600"),
        { concurrency: 3 }
      )
      for (const server of servers) {
        const ids = (yield* listed(server, "running", pairs.length)).map(({ executionId }) => executionId)
        assert.sameMembers(ids as ReadonlyArray<string> as Array<string>, [...running])
      }
      yield* Effect.forEach(pairs, ({ asked }, index) => followAndKill(asked, running[index] ?? ""), {
        concurrency: 3
      })
      yield* Effect.forEach(
        pairs,
        Effect.fnUntraced(function* ({ asked, holder, name }) {
          const word = `kept-${name}`
          const code = `echo ${word} | tee "$SANDBOX_OUTPUT_DIR/kept.txt"`
          yield* readAll(asked, yield* begin(holder, `user-${name}`, code), word)
        }),
        { concurrency: 3 }
      )
      for (const server of servers) yield* listed(server, "ended", 2 * pairs.length)
    })
  )
})
