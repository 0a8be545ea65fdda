import type { Replica } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { standIns } from "../../../packages/host/test/StandInGpus.js"
import * as Caller from "./Caller.js"
import { at, begin, database, eventsOf, listed, onPostgres, type Server, startAll } from "./ReplicaServers.js"
import * as ServerProcess from "./ServerProcess.js"

const l4 = "NVIDIA L4"
const h100 = "NVIDIA H100 80GB HBM3"
/** As the stand-ins are. */
const present = [
  { kind: l4, count: 3 },
  { kind: h100, count: 1 }
]

/** Two servers with GPUs and one without, each on what it takes for a machine of its own. */
const threeReplicas = Effect.gen(function* () {
  yield* ServerProcess.bundled
  const settings = {
    DATABASE_URL: yield* database,
    SANDBOX_CLUSTER: "on",
    SANDBOX_MAX_GPUS: "5",
    SANDBOX_MAX_GPUS_PER_USER: "2",
    SANDBOX_KILL_GRACE_PERIOD: "1"
  }
  const roots = [yield* standIns, yield* standIns, "/nowhere"]
  const servers = yield* startAll(roots.map((root) => ({ ...settings, SANDBOX_NVIDIA_ROOT: root })))
  // Each knows of all before anything is counted.
  yield* Effect.forEach(servers, (server) => listed(server, "running", 0))
  return servers as [Server, Server, Server]
})

/** Tells which GPUs it has, and keeps them. */
const code = "ls -d /dev/nvidia[0-9]* 2>/dev/null; sleep 600"

const replicasOf = (server: Server) =>
  at(server)(
    Effect.map(Caller.get("/api/sandbox/replicas"), ({ replicas }): ReadonlyArray<Replica> => replicas)
  )

/** How many GPUs are in use at which replica, as this one says. */
const inUse = (server: Server) =>
  Effect.map(replicasOf(server), (replicas) => replicas.map(({ gpusInUse }) => gpusInUse).sort())

/** Waits until these users' executions are in a state, as this replica says, and nobody else's. */
const usersIn = (server: Server, state: "running" | "queued", users: ReadonlyArray<string>) =>
  listed(server, state, users.length).pipe(
    Effect.map((found) => found.map(({ userId }): string => userId).sort()),
    Effect.repeat({
      until: (found) => found.join() === users.join(),
      schedule: Schedule.spaced("50 millis")
    }),
    Effect.timeoutFail({
      duration: "30 seconds",
      onTimeout: () => `not yet ${state}: ${users}`
    }),
    Effect.orDie
  )

const kill = (server: Server, executionId: string) =>
  Effect.map(at(server)(Caller.kill(executionId)), (status) => assert.strictEqual(status, 200))

/** What a program that was killed had said of its GPUs, once it has ended. */
const devicesOf = (server: Server, executionId: string) =>
  eventsOf(server, executionId).pipe(
    Effect.zipRight(at(server)(Caller.get(`/api/executions/${executionId}`))),
    Effect.map(({ result }) => result.stdout)
  )

// Only root can make devices that stand in for GPUs.
const onPostgresAsRoot = process.getuid?.() === 0 ? onPostgres : describe.skip

onPostgresAsRoot("GPUs of three replicas", { concurrent: true, timeout: 120_000 }, () => {
  it.scopedLive("are given where they are, within the caps of all and of each user", () =>
    Effect.gen(function* () {
      const [a, b, c] = yield* threeReplicas
      const ann = yield* begin(a, "ann", code, { count: 2, kind: l4 })
      yield* usersIn(c, "running", ["ann"])
      yield* begin(b, "bob", code, { count: 2, kind: l4 })
      yield* usersIn(c, "running", ["ann", "bob"])
      // She has as many as one user may have.
      const later = yield* begin(b, "ann", code, { count: 1, kind: h100 })
      yield* begin(b, "cid", code)
      yield* usersIn(c, "running", ["ann", "bob", "cid"])
      yield* begin(a, "dan", code, { count: 1, kind: h100 })
      yield* usersIn(c, "running", ["ann", "bob", "cid", "dan"])
      // All have as many as all may have.
      const last = yield* begin(b, "eve", code, { count: 1, kind: h100 })
      yield* begin(b, "fay", code)
      yield* begin(c, "gil", code)
      for (const server of [a, b, c]) {
        yield* usersIn(server, "running", ["ann", "bob", "cid", "dan", "fay", "gil"])
        yield* usersIn(server, "queued", ["ann", "eve"])
        assert.deepInclude(yield* at(server)(Caller.get("/api/sandbox/metrics")), {
          gpusInUse: 5,
          gpus: server === c ? [] : present
        })
        const own = yield* at(server)(Caller.get("/api/sandbox/metrics/ann"))
        assert.strictEqual(own.gpusInUse, 2)
        assert.deepStrictEqual(yield* inUse(server), [0, 2, 3])
      }
      const supplies = (yield* replicasOf(c)).map(({ gpus }) => gpus.length)
      assert.sameMembers(supplies, [2, 2, 0])
      const refused = yield* at(c)(Caller.post({ code, language: "bash", gpu: { count: 1 } }))
      assert.strictEqual(refused.status, 422)
      const tooMany = yield* at(a)(Caller.post({ code, language: "bash", gpu: { count: 3 } }))
      assert.deepInclude(tooMany.body.error, { message: "gpu.count: expected at most 2 GPUs, got 3" })
      const absent = yield* at(a)(Caller.post({ code, language: "bash", gpu: { count: 2, kind: h100 } }))
      assert.deepInclude(absent.body.error, {
        message: `gpu.count: expected no more than there are: 1 ${h100}`
      })

      yield* kill(c, ann)
      yield* usersIn(c, "running", ["ann", "bob", "cid", "dan", "fay", "gil"])
      // The one that there is of the kind has gone to whose turn was first.
      yield* begin(b, "hal", code)
      yield* usersIn(c, "running", ["ann", "bob", "cid", "dan", "fay", "gil", "hal"])
      yield* usersIn(c, "queued", ["eve"])
      assert.deepStrictEqual(yield* inUse(a), [0, 1, 3])
      yield* kill(a, later)
      yield* usersIn(c, "running", ["bob", "cid", "dan", "eve", "fay", "gil", "hal"])
      yield* kill(c, last)
      assert.strictEqual(yield* devicesOf(c, ann), "/dev/nvidia0\n/dev/nvidia1\n")
      for (const id of [later, last]) assert.strictEqual(yield* devicesOf(a, id), "/dev/nvidia3\n")
    })
  )

  it.scopedLive("stay counted when the replica dies that decides", () =>
    Effect.gen(function* () {
      const [a, b, c] = yield* threeReplicas
      const isOwner = (server: Server) =>
        Effect.map(replicasOf(server), (replicas) =>
          replicas.some(({ isAnswering, isOwner }) => isAnswering && isOwner)
        )
      const [owner] = yield* Effect.filter([a, b, c], isOwner).pipe(
        Effect.filterOrFail(({ length }) => length === 1),
        Effect.retry({ times: 300, schedule: Schedule.spaced("50 millis") })
      )
      assert(owner !== undefined)
      const [holder] = [a, b].filter((server) => server !== owner)
      const [other] = [a, b, c].filter((server) => server !== owner && server !== holder)
      assert(holder !== undefined && other !== undefined)
      const ann = yield* begin(holder, "ann", code, { count: 2, kind: l4 })
      yield* usersIn(other, "running", ["ann"])
      yield* owner.kill("SIGKILL")
      yield* owner.ended
      yield* begin(holder, "bob", code, { count: 2, kind: l4 })
      yield* begin(holder, "ann", code, { count: 1, kind: h100 })
      yield* begin(holder, "cid", code)
      yield* usersIn(other, "running", ["ann", "cid"])
      yield* usersIn(other, "queued", ["ann", "bob"])
      assert.strictEqual((yield* at(other)(Caller.get("/api/sandbox/metrics"))).gpusInUse, 2)
      yield* kill(other, ann)
      yield* usersIn(other, "running", ["ann", "bob", "cid"])
      assert.strictEqual((yield* at(other)(Caller.get("/api/sandbox/metrics"))).gpusInUse, 3)
    })
  )
})
