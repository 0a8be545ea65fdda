import { version } from "@bulkhead/api"
import type { Replica } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Ref } from "effect"
import { rowsOf } from "../../../packages/store/test/Databases.js"
import * as Caller from "./Caller.js"
import * as LaterVersion from "./LaterVersion.js"
import { at, begin, database, listed, onPostgres, type Server, startAll } from "./ReplicaServers.js"
import * as ServerProcess from "./ServerProcess.js"

const settingsOn = (DATABASE_URL: string, SANDBOX_INSTANCE: string) => ({
  DATABASE_URL,
  SANDBOX_INSTANCE,
  SANDBOX_CLUSTER: "on",
  SANDBOX_MAX_CONCURRENT_SANDBOXES: "2",
  SANDBOX_KILL_GRACE_PERIOD: "1"
})

const startOlder = (url: string) =>
  Effect.gen(function* () {
    yield* ServerProcess.bundled
    const servers = yield* startAll([settingsOn(url, "older-1"), settingsOn(url, "older-2")])
    const [first, second] = servers
    assert(first !== undefined && second !== undefined)
    yield* Effect.forEach(servers, (server) => listed(server, "running", 0))
    return [first, second] as const
  })

const startLater = (url: string, bundle: string) =>
  Effect.flatMap(ServerProcess.launch(settingsOn(url, "later"), bundle), ({ listening, ...server }) =>
    Effect.map(listening, (url) => ServerProcess.ServerProcess.of({ ...server, url }))
  )

/** What a server that does not start says, in one line. */
const refusalOf = (settings: Readonly<Record<string, string>>, bundle?: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { ended, listening } = yield* ServerProcess.launch(settings, bundle)
      const started = Effect.zipRight(
        Effect.catchAllDefect(listening, () => Effect.never),
        Effect.dieMessage("it started")
      )
      const { code, stderr } = yield* Effect.raceFirst(ended, started)
      assert.strictEqual(code, 1, stderr)
      assert.match(stderr, /^[^\n]+\n$/)
      return stderr
    })
  )

/** Has programs run without a pause until it is over. Each has its own answer. Gives how many there were. */
const runOn = Effect.fnUntraced(function* (server: Server, isOver: Ref.Ref<boolean>) {
  let count = 0
  while (!(yield* Ref.get(isOver))) {
    const word = `word-${count++}`
    const { stdout, verdict } = yield* at(server)(
      Caller.execute({ code: `echo ${word}`, language: "bash", userId: "busy" })
    )
    assert.deepStrictEqual([verdict, stdout], ["Completed", `${word}\n`])
  }
  return count
})

const stop = Effect.fnUntraced(function* (server: Server) {
  yield* server.kill("SIGTERM")
  assert.deepInclude(yield* server.ended, { code: 0 })
})

onPostgres("a later version of a replica", { timeout: 120_000 }, () => {
  it.scopedLive(
    "alters the tables beside older ones that run and execute, and is one service with them",
    () =>
      Effect.gen(function* () {
        const url = yield* database
        const [[first, second], bundle] = yield* Effect.all(
          [startOlder(url), LaterVersion.bundle({ store: "beside", cluster: "beside" })],
          { concurrency: 2 }
        )
        const known = yield* rowsOf(url, "bulkhead_migrations")
        const isOver = yield* Ref.make(false)
        const busy = yield* Effect.fork(runOn(first, isOver))
        const later = yield* startLater(url, bundle)
        assert.strictEqual(yield* rowsOf(url, "bulkhead_migrations"), known + 1)
        yield* runOn(later, yield* Ref.make(false)).pipe(Effect.timeoutOption("1 second"))
        yield* Ref.set(isOver, true)
        assert.isAbove(yield* Fiber.join(busy), 0)

        yield* begin(second, "ann", "sleep 600")
        yield* begin(later, "bob", "sleep 600")
        yield* listed(second, "running", 2)
        const waiting = yield* begin(first, "cid", "sleep 600")
        const servers = [first, second, later]
        for (const server of servers) {
          const running = yield* listed(server, "running", 2)
          const queued = yield* listed(server, "queued", 1)
          assert.strictEqual(queued[0]?.executionId, waiting)
          assert.sameMembers(
            running.map(({ userId }) => String(userId)),
            ["ann", "bob"]
          )
          const { replicas } = yield* at(server)(Caller.get("/api/sandbox/replicas"))
          assert.sameMembers(
            replicas.map((replica: Replica) => `${replica.instance} ${replica.version}`),
            [`older-1 ${version}`, `older-2 ${version}`, `later ${LaterVersion.name}`]
          )
        }

        const refusal = yield* refusalOf(settingsOn(url, "older-3"))
        assert.match(
          refusal,
          /^bulkhead: DATABASE_URL: .*a newer version of the server has changed its tables/
        )
        assert.include(refusal, `(to ${known + 1}; this one knows ${known})`)
        // What waits there runs as the older ones go, and they have nobody else's place.
        yield* stop(second)
        yield* listed(later, "running", 2)
        yield* stop(first)
        yield* listed(later, "running", 1)
        assert.strictEqual((yield* at(later)(Caller.execute({ code: "print(1)" }))).stdout, "1\n")
      })
  )

  it.scopedLive("that alters only what replicas share has older ones refuse to start after that too", () =>
    Effect.gen(function* () {
      const url = yield* database
      yield* ServerProcess.bundled
      yield* startLater(url, yield* LaterVersion.bundle({ cluster: "beside" }))
      const known = yield* rowsOf(url, "bulkhead_cluster_migrations")
      assert.match(
        yield* refusalOf(settingsOn(url, "older")),
        /^bulkhead: SANDBOX_CLUSTER: .*a newer version of the server has changed the tables that replicas share/
      )
      assert.strictEqual(yield* rowsOf(url, "bulkhead_cluster_migrations"), known)
    })
  )

  it.scopedLive(
    "with which older ones could not go on says so before it begins, and starts when they are gone",
    () =>
      Effect.gen(function* () {
        const url = yield* database
        const [older, bundle] = yield* Effect.all(
          [startOlder(url), LaterVersion.bundle({ store: "alone" })],
          { concurrency: 2 }
        )
        const known = yield* rowsOf(url, "bulkhead_migrations")
        const refusal = yield* refusalOf(settingsOn(url, "later"), bundle)
        assert.match(refusal, /^bulkhead: DATABASE_URL: .*servers of the version before cannot go on/)
        assert.match(refusal, /'older-[12]' of them still run; stop all servers, then start this one again/)
        assert.strictEqual(yield* rowsOf(url, "bulkhead_migrations"), known)
        for (const server of older) {
          assert.strictEqual((yield* at(server)(Caller.execute({ code: "print(1)" }))).stdout, "1\n")
        }
        yield* Effect.forEach(older, stop, { concurrency: "unbounded" })
        const later = yield* startLater(url, bundle)
        assert.strictEqual(yield* rowsOf(url, "bulkhead_migrations"), known + 1)
        assert.strictEqual((yield* at(later)(Caller.execute({ code: "print(1)" }))).stdout, "1\n")
      })
  )
})
