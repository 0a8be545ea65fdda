import { randomUUID } from "node:crypto"
import type { AuditVerification } from "@bulkhead/domain"
import { EmbeddedHost } from "@bulkhead/host"
import { assert, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted, Schedule } from "effect"
import { Webhook } from "standardwebhooks"
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
  type Server,
  startAll
} from "./ReplicaServers.js"
import * as ServerProcess from "./ServerProcess.js"
import * as WebhookReceiver from "./WebhookReceiver.js"

const runsForLong = { code: "import time; time.sleep(600)", userId: "ann" }

/** A server with an execution that runs, and the execution. */
const busy = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>) {
  const server = yield* ServerProcess.start(settings)
  yield* Effect.forkScoped(at(server)(Effect.ignore(Caller.tryPost(runsForLong))))
  const { executionId } = yield* at(server)(Caller.inState("ann", "running"))
  // Asking for its events has them written first.
  yield* at(server)(Caller.logs(executionId))
  return { server, executionId }
})

const often = { times: 600, schedule: Schedule.spaced("100 millis") }

/** Waits until a server says of an execution that it ended as it has to, and looks at its events. */
const endedBy = (server: Server, executionId: string) =>
  at(server)(
    Effect.gen(function* () {
      const found = yield* Effect.retry(
        Effect.filterOrFail(
          Caller.get(`/api/sandbox/executions/${executionId}`),
          ({ state }) => state === "ended",
          () => "still running" as const
        ),
        often
      )
      assert.strictEqual(found.verdict, "InternalError")
      const events = yield* Caller.logs(executionId)
      assert.strictEqual(events[0]?.event, "execution_started")
      const last = events.at(-1)
      assert.deepInclude(last, { event: "execution_failed" })
      assert.match(last?.message ?? "", /service stopped/)
    })
  )

/** Where nothing listens. */
const nowhere = "http://127.0.0.1:9"

/** An E2B of this test's own, whose sandboxes outlive the servers that make them. */
const e2b = Effect.map(Layer.build(EmbeddedHost.layer()), (context) => {
  const { apiKey, url } = Context.get(context, EmbeddedHost)
  return {
    SANDBOX_BACKEND: "e2b",
    E2B_API_KEY: Redacted.value(apiKey),
    E2B_API_URL: url,
    E2B_SANDBOX_URL: url
  }
})

onPostgres("servers on one PostgreSQL", { timeout: 120_000 }, () => {
  // They mostly wait until a server counts as dead.
  const meanwhile = { concurrent: true, timeout: 120_000 }

  it.scopedLive("do not have one name at the same time", () =>
    Effect.gen(function* () {
      const settings = { DATABASE_URL: yield* database, SANDBOX_INSTANCE: "one" }
      yield* ServerProcess.start(settings)
      const { code, stderr } = yield* ServerProcess.refused(settings)
      assert.strictEqual(code, 1)
      assert.match(
        stderr,
        /^bulkhead: SANDBOX_INSTANCE: another server named 'one' is running[^\n]+; stop[^\n]+\n$/
      )
    })
  )

  it.scopedLive("start again at once after SIGKILL in the same data directory", () =>
    Effect.gen(function* () {
      const settings = {
        DATABASE_URL: yield* database,
        SANDBOX_DATA_DIR: yield* ServerProcess.temporaryDirectory
      }
      const { executionId, server } = yield* busy(settings)
      yield* server.kill("SIGKILL")
      yield* server.ended
      const [took, again] = yield* Effect.timed(ServerProcess.start(settings))
      assert.isBelow(Duration.toMillis(took), 10_000)
      yield* endedBy(again, executionId)
    })
  )

  it.scopedLive(
    "end what one of them left that was killed, and verify its events",
    () =>
      Effect.gen(function* () {
        const DATABASE_URL = yield* database
        const { executionId, server } = yield* busy({ DATABASE_URL })
        const other = yield* ServerProcess.start({ DATABASE_URL, SANDBOX_REAPER_INTERVAL: "1" })
        yield* server.kill("SIGKILL")
        yield* endedBy(other, executionId)
        const audit: AuditVerification = yield* at(other)(Caller.get("/api/sandbox/audit/verify"))
        assert.isTrue(audit.intact)
        assert.strictEqual(audit.chains.length, 2)
        assert.isAtLeast(audit.chains.filter(({ checked }) => checked > 0).length, 2)
      }),
    meanwhile
  )

  it.scopedLive(
    "send the messages of one of them that was killed, in the same words",
    () =>
      Effect.gen(function* () {
        const settings = { DATABASE_URL: yield* database, ...WebhookReceiver.settings }
        const receiver = yield* WebhookReceiver.make((_, before) =>
          before.length === 0 ? "stalls" : "takes"
        )
        const server = yield* ServerProcess.start(settings)
        const other = yield* ServerProcess.start(settings)
        const request = { code: ":", language: "bash", userId: "ann", webhook: receiver.url }
        const { executionId } = yield* at(server)(Caller.execute(request))
        const first = yield* receiver.next
        yield* server.kill("SIGKILL")
        const again = yield* receiver.next
        assert.strictEqual(again.headers["webhook-id"], first.headers["webhook-id"])
        assert.strictEqual(again.text, first.text)
        assert.strictEqual(again.body.data.execution.executionId, executionId)
        const { secret } = yield* at(other)(Caller.get("/api/webhooks/secret?userId=ann"))
        for (const { headers, text } of [first, again]) new Webhook(secret).verify(text, headers)
      }),
    meanwhile
  )

  it.scopedLive(
    "leave the name to another one while they are stopped, and end when they go on",
    () =>
      Effect.gen(function* () {
        const settings = { DATABASE_URL: yield* database, SANDBOX_INSTANCE: "one" }
        const { executionId, server } = yield* busy(settings)
        yield* server.kill("SIGSTOP")
        const other = yield* ServerProcess.start(settings)
        yield* endedBy(other, executionId)
        yield* server.kill("SIGCONT")
        const { code, stderr } = yield* server.ended
        assert.strictEqual(code, 1)
        assert.match(stderr, /^bulkhead: server 'one' gave no sign of life for too long.*start it again$/m)
        yield* at(other)(Caller.execute({ code: "print(1)" }))
        assert.isTrue((yield* at(other)(Caller.get("/api/sandbox/audit/verify"))).intact)
      }),
    meanwhile
  )

  it.scopedLive(
    "end the sandboxes of a replica that was killed, which E2B has, and have its permits",
    () =>
      Effect.gen(function* () {
        yield* ServerProcess.bundled
        const settings = {
          ...(yield* e2b),
          DATABASE_URL: yield* database,
          SANDBOX_CLUSTER: "on",
          SANDBOX_MAX_CONCURRENT_SANDBOXES: "1",
          SANDBOX_REAPER_INTERVAL: "5"
        }
        const [victim, other] = yield* startAll([settings, settings])
        assert(victim !== undefined && other !== undefined)
        yield* listed(other, "running", 0)
        const mark = `reaped-${randomUUID()}`
        yield* begin(victim, "ann", `exec -a ${mark} sleep 600`)
        yield* HostProcesses.awaitMarked(mark, (count) => count > 0)
        const waiting = yield* begin(other, "bob", "echo has run")
        yield* listed(other, "queued", 1)
        yield* victim.kill("SIGKILL")
        yield* victim.ended
        assert.strictEqual(yield* HostProcesses.named(mark), 1)
        assert.include(yield* eventsOf(other, waiting), "has run")
        assert.strictEqual(yield* HostProcesses.named(mark), 0)
      }),
    meanwhile
  )

  it.scopedLive(
    "tell of each other, as replicas, whether E2B is left alone",
    () =>
      Effect.gen(function* () {
        yield* ServerProcess.bundled
        const there = {
          ...(yield* e2b),
          DATABASE_URL: yield* database,
          SANDBOX_CLUSTER: "on",
          SANDBOX_BREAKER_FAILURES: "1"
        }
        const cutOff = { ...there, E2B_API_URL: nowhere, E2B_SANDBOX_URL: nowhere }
        const [one, other] = yield* startAll([there, cutOff])
        assert(one !== undefined && other !== undefined)
        yield* begin(other, "ann", "echo hello")
        const replicas = yield* replicasOf(one, (all) => all.some(({ circuit }) => circuit === "open"))
        assert.deepStrictEqual(
          replicas.map(({ circuit, isAnswering }) => [isAnswering, circuit]).toSorted(),
          [
            [false, "open"],
            [true, "closed"]
          ]
        )
      }),
    meanwhile
  )
})
