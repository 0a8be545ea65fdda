import { randomUUID } from "node:crypto"
import type { Replica } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Schedule } from "effect"
import * as LedgerWatch from "../../../packages/cluster/test/LedgerWatch.js"
import { postgresAt } from "../../../packages/store/test/Databases.js"
import * as Caller from "./Caller.js"
import * as HostProcesses from "./HostProcesses.js"
import * as RawConnection from "./RawConnection.js"
import { at, begin, database, listed, onPostgres, type Server, startAll } from "./ReplicaServers.js"
import * as ServerProcess from "./ServerProcess.js"

const cap = 2

/** Long enough that whatever is done at once is done before what runs is killed. */
const grace = 4

const settingsOn = (DATABASE_URL: string) => ({
  DATABASE_URL,
  SANDBOX_CLUSTER: "on",
  SANDBOX_MAX_CONCURRENT_SANDBOXES: String(cap),
  SANDBOX_KILL_GRACE_PERIOD: String(grace)
})

const ownerOf = (server: Server) =>
  Caller.get("/api/sandbox/replicas").pipe(
    at(server),
    Effect.flatMap(({ replicas }: { readonly replicas: ReadonlyArray<Replica> }) =>
      Effect.fromNullable(replicas.find(({ isOwner }) => isOwner))
    ),
    Effect.retry({ times: 300, schedule: Schedule.spaced("50 millis") }),
    Effect.orDie
  )

/** The replica that owns admission, and the others. */
const ownerFirst = Effect.fnUntraced(function* (servers: ReadonlyArray<Server>) {
  const owners = yield* Effect.filter(servers, (server) =>
    Effect.map(ownerOf(server), ({ isAnswering }) => isAnswering)
  )
  assert.lengthOf(owners, 1)
  const [owner] = owners
  assert(owner !== undefined)
  return [owner, ...servers.filter((server) => server !== owner)] as const
})

type Watched = Effect.Effect.Success<typeof LedgerWatch.read>

/** Never more permits out than the cap, and none of an execution that had one. */
const assertOnce = (ledger: Watched["ledger"]) => {
  let out = 0
  const had = new Set<string>()
  for (const { executionId, isGiven } of ledger) {
    out += isGiven ? 1 : -1
    assert.isAtMost(out, cap)
    if (!isGiven) continue
    assert.isFalse(had.has(executionId), `${executionId} was let in twice`)
    had.add(executionId)
  }
  return had
}

const sessionOf = (server: Server) =>
  Effect.map(
    at(server)(Caller.get("/api/sandbox/replicas")),
    ({ replicas }: { readonly replicas: ReadonlyArray<Replica> }) =>
      replicas.find(({ isAnswering }) => isAnswering)?.id ?? ""
  )

/** Has a program run. Gives the answer with what it says of when to ask again, in seconds. */
const ask = ({ url }: Server, userId: string, code: string) =>
  Effect.fork(
    Effect.promise(async (signal) => {
      const response = await fetch(`${url}/api/execute`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ code, language: "bash", userId }),
        signal
      })
      const { headers, status } = response
      return {
        status,
        body: JSON.parse(await response.text()),
        connection: headers.get("connection"),
        retryAfter: Number(headers.get("retry-after"))
      }
    })
  )

const queuedAt = (server: Server) =>
  Effect.map(
    at(server)(Caller.get("/api/sandbox/metrics")),
    ({ queuedExecutions }): number => queuedExecutions
  )

const users = ["eve", "fay", "gus", "hal", "ida", "jon"]

/** Waits until a server takes nothing new. */
const untilUnready = (server: Server) =>
  Caller.tryFetchJson("/ready").pipe(
    at(server),
    Effect.repeat({ until: ({ status }) => status === 503, schedule: Schedule.spaced("5 millis") })
  )

/** A connection that has had an answer and can have another one. */
const keptConnection = Effect.fnUntraced(function* (server: Server) {
  const socket = yield* at(server)(RawConnection.open)
  socket.write("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
  assert.match(yield* RawConnection.heardUntil(socket, "}"), /^HTTP\/1.1 200 .*\r\nConnection: keep-alive\r/s)
  return socket
})

/** Whether a proxy has let go by now of connections that were idle from now on: deploy/nginx does so after 4 s. */
const proxyPatience = Effect.map(Clock.currentTimeMillis, (from) =>
  Effect.map(Clock.currentTimeMillis, (now) => now - from >= 4000)
)

/**
 * Two programs run to its end at the one that is shut down, and callers wait there and at another one. Gives what
 * PostgreSQL saw of all permits since, and the life that was ended, and when.
 */
const shutDown = Effect.fnUntraced(function* (url: string, victim: Server, other: Server) {
  const inDatabase = Effect.provide(postgresAt(url))
  const before = yield* inDatabase(LedgerWatch.read)
  const session = yield* sessionOf(victim)
  const mark = `shutdown-${randomUUID()}`
  for (const user of ["ann", "bob"]) yield* begin(victim, user, `exec -a ${mark} sleep 600`)
  yield* HostProcesses.awaitMarked(mark, (count) => count >= cap)
  const turnedAway = yield* Effect.forEach(["cid", "dan"], (user) => ask(victim, user, "echo never"))
  yield* listed(victim, "queued", 2)
  const waiting = yield* Effect.forEach(users, (user) => ask(other, user, `sleep 1; echo ${user}`))
  yield* listed(other, "queued", 2 + users.length)

  yield* victim.kill("SIGTERM")
  for (const { body, connection, retryAfter, status } of yield* Effect.forEach(turnedAway, Fiber.join)) {
    assert.deepStrictEqual({ status, connection }, { status: 503, connection: "close" })
    assert.isAbove(retryAfter, 0)
    assert.deepInclude(body, { success: false, verdict: "Rejected" })
    assert.deepInclude(body.error, { code: "SANDBOX_BUSY", retryable: true })
  }
  // At once: what runs there is not yet killed, and only what waits elsewhere still waits.
  yield* Effect.repeat(queuedAt(other), { until: (count) => count === users.length })
  assert.deepStrictEqual(yield* inDatabase(LedgerWatch.lifeOf(session)), { permits: cap, isOver: false })
  assert.strictEqual(yield* HostProcesses.named(mark), cap)

  assert.deepInclude(yield* victim.ended, { code: 0 })
  const endedAt = yield* Clock.currentTimeMillis
  assert.deepStrictEqual(yield* inDatabase(LedgerWatch.lifeOf(session)), { permits: 0, isOver: true })
  for (const { body, status } of yield* Effect.forEach(waiting, Fiber.join))
    assert.deepInclude({ status, ...body }, { status: 200, verdict: "Completed" }, JSON.stringify(body))
  const seen = yield* inDatabase(LedgerWatch.read)
  const ledger = seen.ledger.slice(before.ledger.length)
  assert.strictEqual(assertOnce(ledger).size, users.length + cap)
  return { ledger, owners: seen.owners.slice(before.owners.length), session, endedAt }
})

/** Replicas that come may take over from each other. Returns when none has for longer than that takes. */
const ownerStays = Effect.fnUntraced(function* () {
  let before: number | undefined
  while (true) {
    const { owners } = yield* LedgerWatch.read
    if (owners.length === before) return
    before = owners.length
    yield* Effect.sleep("3 seconds")
  }
})

const startThree = Effect.gen(function* () {
  yield* ServerProcess.bundled
  const url = yield* database
  const servers = yield* startAll([settingsOn(url), settingsOn(url), settingsOn(url)])
  yield* Effect.forEach(servers, (server) => listed(server, "running", 0))
  yield* Effect.zipRight(LedgerWatch.install, ownerStays()).pipe(Effect.provide(postgresAt(url)))
  const [owner, other, third] = yield* ownerFirst(servers)
  assert(other !== undefined && third !== undefined)
  return { url, owner, other, third }
})

onPostgres("a replica that is shut down", { timeout: 120_000 }, () => {
  it.scopedLive(
    "turns away what waits there at once, and gives its permits back as what runs there ends; " +
      "if it is the owner, another one is within 5 s",
    () =>
      Effect.gen(function* () {
        const { other, owner, third, url } = yield* startThree
        assert.lengthOf((yield* shutDown(url, third, other)).owners, 0)

        const { endedAt, ledger, owners, session } = yield* shutDown(url, owner, other)
        const [first] = owners
        assert(first !== undefined)
        assert.isBelow(first.at - endedAt, 5000)
        const next = ledger.find(({ at, isGiven }) => isGiven && at > first.at)
        assert(next !== undefined, "what waited ran under the new owner")
        assert.isBelow(next.at - endedAt, 5000)
        assert.notStrictEqual((yield* ownerOf(other)).id, session)
      })
  )

  it.scopedLive("answers each request that comes on a connection that was there, and closes it", () =>
    Effect.gen(function* () {
      yield* ServerProcess.bundled
      const settings = { ...settingsOn(yield* database), SANDBOX_KILL_GRACE_PERIOD: "1" }
      const [server] = yield* startAll([settings])
      assert(server !== undefined)
      yield* begin(server, "ann", "sleep 600")
      yield* listed(server, "running", 1)
      const isOver = yield* proxyPatience
      const idle = yield* Effect.forEach(Array.from({ length: 40 }), () => keptConnection(server))
      yield* server.kill("SIGTERM")
      yield* untilUnready(server)
      let asked = 0
      for (const socket of idle) {
        if (yield* isOver) break
        assert.isFalse(socket.destroyed || socket.readableEnded, "it was closed while it was idle")
        const answer = yield* Effect.fork(RawConnection.heard(socket))
        const body = JSON.stringify({ code: "print(1)" })
        socket.write(`${RawConnection.head({ "Content-Length": body.length })}${body}`)
        assert.match(yield* Fiber.join(answer), /^HTTP\/1.1 503 .*\r\nConnection: close\r.*"SANDBOX_BUSY"/s)
        asked++
        yield* Effect.sleep("75 millis")
      }
      assert.isAbove(asked, 20)
      assert.deepInclude(yield* server.ended, { code: 0 })
    })
  )
})
