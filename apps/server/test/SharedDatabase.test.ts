import type { AuditVerification } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schedule } from "effect"
import { Webhook } from "standardwebhooks"
import { kinds } from "../../../packages/store/test/Databases.js"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"
import * as WebhookReceiver from "./WebhookReceiver.js"

const postgres = kinds.find(({ name }) => name === "PostgreSQL")
const on = postgres === undefined ? describe.skip : describe

/** The URL of an empty database. */
const database = Effect.suspend(() =>
  Effect.map(Effect.orDie(postgres?.make ?? Effect.fail("no PostgreSQL")), ({ place }) => place)
)

const of = (server: ServerProcess.ServerProcess["Type"]) =>
  Effect.provideService(ServerProcess.ServerProcess, server)

const runsForLong = { code: "import time; time.sleep(600)", userId: "ann" }

/** A server with an execution that runs, and the execution. */
const busy = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>) {
  const server = yield* ServerProcess.start(settings)
  yield* Effect.forkScoped(of(server)(Effect.ignore(Caller.tryPost(runsForLong))))
  const { executionId } = yield* of(server)(Caller.inState("ann", "running"))
  // Asking for its events has them written first.
  yield* of(server)(Caller.logs(executionId))
  return { server, executionId }
})

const often = { times: 600, schedule: Schedule.spaced("100 millis") }

/** Waits until a server says of an execution that it ended as it has to, and looks at its events. */
const endedBy = (server: ServerProcess.ServerProcess["Type"], executionId: string) =>
  of(server)(
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

on("servers on one PostgreSQL", { timeout: 120_000 }, () => {
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
        const audit: AuditVerification = yield* of(other)(Caller.get("/api/sandbox/audit/verify"))
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
        const { executionId } = yield* of(server)(Caller.execute(request))
        const first = yield* receiver.next
        yield* server.kill("SIGKILL")
        const again = yield* receiver.next
        assert.strictEqual(again.headers["webhook-id"], first.headers["webhook-id"])
        assert.strictEqual(again.text, first.text)
        assert.strictEqual(again.body.data.execution.executionId, executionId)
        const { secret } = yield* of(other)(Caller.get("/api/webhooks/secret?userId=ann"))
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
        yield* of(other)(Caller.execute({ code: "print(1)" }))
        assert.isTrue((yield* of(other)(Caller.get("/api/sandbox/audit/verify"))).intact)
      }),
    meanwhile
  )
})
