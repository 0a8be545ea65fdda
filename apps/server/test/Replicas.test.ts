import { randomUUID } from "node:crypto"
import { version } from "@bulkhead/api"
import type { Replica } from "@bulkhead/domain"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Ref, Schedule, type Scope } from "effect"
import * as Caller from "./Caller.js"
import * as HostProcesses from "./HostProcesses.js"
import {
  at,
  begin,
  database,
  eventsOf,
  listed,
  onPostgres,
  replicasOf,
  type Server
} from "./ReplicaServers.js"
import * as ServerProcess from "./ServerProcess.js"

const limits = {
  SANDBOX_CLUSTER: "on",
  SANDBOX_MAX_CONCURRENT_SANDBOXES: "3",
  SANDBOX_MAX_SANDBOXES_PER_USER: "2",
  SANDBOX_KILL_GRACE_PERIOD: "1"
}

/** A server that runs, and how it is started again in its data directory. */
interface RestartableServer extends Server {
  readonly again: Effect.Effect<Server, never, Scope.Scope>
}

const replica = (DATABASE_URL: string) =>
  Effect.gen(function* () {
    const SANDBOX_DATA_DIR = yield* ServerProcess.temporaryDirectory
    const again = Effect.flatMap(
      ServerProcess.launch({ DATABASE_URL, SANDBOX_DATA_DIR, ...limits }),
      ({ listening, ...server }) =>
        Effect.map(listening, (url) => ServerProcess.ServerProcess.of({ ...server, url }))
    )
    const running: RestartableServer = { ...(yield* again), again }
    return running
  })

/** Three of them, each of which knows of all. */
class ThreeReplicas extends Context.Tag("test/ThreeReplicas")<
  ThreeReplicas,
  readonly [RestartableServer, RestartableServer, RestartableServer]
>() {
  static readonly layer = Layer.scoped(
    ThreeReplicas,
    Effect.gen(function* () {
      const url = yield* database
      yield* ServerProcess.bundled
      const servers = yield* Effect.all([replica(url), replica(url), replica(url)], { concurrency: 3 })
      yield* Effect.forEach(servers, (server) => listed(server, "running", 0))
      return servers
    })
  )
}

const sum = (replicas: ReadonlyArray<Replica>, of: "running" | "waiting") =>
  replicas.reduce((all, replica) => all + replica[of], 0)

onPostgres("three replicas on one PostgreSQL", { timeout: 120_000 }, () => {
  layer(ThreeReplicas.layer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.scoped("are one: they have one cap, one list, and kill and follow each other's executions", () =>
      Effect.gen(function* () {
        const servers = yield* ThreeReplicas
        for (const server of servers) {
          yield* begin(server, "ann", "echo hello; sleep 100")
          yield* begin(server, "bob", "echo hello; sleep 100")
        }
        for (const server of servers) {
          assert.strictEqual((yield* listed(server, "running", 3)).length, 3)
          assert.strictEqual((yield* listed(server, "queued", 3)).length, 3)
          const metrics = yield* at(server)(Caller.get("/api/sandbox/metrics"))
          assert.deepInclude(metrics, { activeExecutions: 3, queuedExecutions: 3, totalUsers: 2 })
        }
        for (const server of servers) {
          const replicas = yield* replicasOf(
            server,
            (all) => all.filter(({ isOwner }) => isOwner).length === 1 && sum(all, "waiting") === 3
          )
          assert.lengthOf(replicas, 3)
          assert.strictEqual(sum(replicas, "running"), 3)
          assert.strictEqual(new Set(replicas.map(({ address }) => address)).size, 3)
          assert.lengthOf(
            replicas.filter(({ isAnswering }) => isAnswering),
            1
          )
          for (const { address, isSilent, lastSeenAt, since, version: its } of replicas) {
            assert.match(address, /^127\.0\.0\.1:\d+$/)
            assert.strictEqual(its, version)
            assert.isFalse(isSilent)
            assert.isAtLeast(lastSeenAt, since)
          }
        }
        const running = yield* listed(servers[0], "running", 3)
        for (const { executionId } of running) {
          for (const server of servers) {
            const found = yield* at(server)(Caller.get(`/api/sandbox/executions/${executionId}`))
            assert.strictEqual(found.state, "running")
            const logs = yield* at(server)(Caller.logs(executionId))
            assert.include(
              logs.map(({ event }) => event),
              "execution_started"
            )
          }
        }
        for (const server of servers) {
          const [one] = yield* listed(server, "running", 3)
          assert(one !== undefined)
          const others = servers.filter((other) => other !== server)
          const streams = yield* Effect.forkAll(others.map((other) => eventsOf(other, one.executionId)))
          yield* Effect.sleep("300 millis")
          assert.strictEqual(yield* at(server)(Caller.kill(one.executionId)), 200)
          for (const text of yield* streams) {
            assert.include(text, "hello")
            assert.match(text, /event: result\n.*"verdict":"Killed"/)
          }
          for (const other of servers) assert.strictEqual(yield* at(other)(Caller.kill(one.executionId)), 409)
        }
        for (const { executionId } of yield* listed(servers[0], "running", 3))
          yield* at(servers[0])(Caller.kill(executionId))
        for (const server of servers) yield* listed(server, "running", 0)
      })
    )

    it.scoped("keep to one cap while their owner dies under load, and end what the dead one left", () =>
      Effect.gen(function* () {
        const servers = yield* ThreeReplicas
        const mark = `replicas-${randomUUID()}`
        // It sees the programs themselves, and knows nothing of what the servers know.
        const most = yield* Ref.make(0)
        const observer = HostProcesses.named(mark).pipe(
          Effect.flatMap((count) => Ref.update(most, (before) => Math.max(before, count))),
          Effect.repeat(Schedule.spaced("30 millis"))
        )
        yield* Effect.forkScoped(observer)
        const program = (index: number) => ({
          code: `exec -a ${mark} sleep 0.6`,
          language: "bash",
          userId: `user-${index % 4}`
        })
        const isLoaded = yield* Ref.make(true)
        // Until all is over, or its server is dead.
        const load = (server: Server, index: number) =>
          Caller.tryPost(program(index)).pipe(
            at(server),
            Effect.repeat({ while: () => Ref.get(isLoaded) }),
            Effect.ignore
          )
        const fibers = yield* Effect.forEach(servers, (server) =>
          Effect.forEach([0, 1, 2, 3], (index) => Effect.fork(load(server, index)))
        )
        const programRuns = HostProcesses.named(mark).pipe(
          Effect.repeat({ until: (count) => count > 0, schedule: Schedule.spaced("30 millis") })
        )
        // Which one the owner is nobody says: so each of two dies in its turn, and one of them may have been it.
        const [first, second, survivor] = servers
        for (const victim of [first, second]) {
          yield* programRuns
          yield* victim.kill("SIGKILL")
          yield* victim.ended
          // Only then are its permits others': two dead ones may hold them all.
          yield* victim.again
        }
        yield* Ref.set(isLoaded, false)
        yield* Fiber.joinAll(fibers.flat())
        const one = yield* at(survivor)(Caller.execute({ code: "print(1)", userId: "last" }))
        assert.strictEqual(one.stdout, "1\n")
        for (const state of ["running", "queued"] as const) yield* listed(survivor, state, 0)
        assert.isAtMost(yield* Ref.get(most), 3)
        assert.isAtLeast(yield* Ref.get(most), 2)
        const left = yield* replicasOf(
          survivor,
          (all) => all.filter(({ isSilent }) => isSilent).length === 2 && all.some(({ isOwner }) => isOwner)
        )
        assert.lengthOf(left, 5)
        assert.lengthOf(
          left.filter(({ isOwner }) => isOwner),
          1
        )
      })
    )
  })
})
