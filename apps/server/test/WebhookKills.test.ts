import type { ExecutionId } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Array as Arr, Effect, Random, Record, Schedule } from "effect"
import { Webhook } from "standardwebhooks"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"
import * as WebhookReceiver from "./WebhookReceiver.js"

/** How often the server is killed. */
const kills = Number(process.env.WEBHOOK_KILLS ?? 3)
const executionsPerLife = 8

/** What the receiver does with the first copy of each message. Further ones it takes, most of the time. */
const badDays = ["takes", "fails", "stalls", "lies", "redirects", "vanishes"] as const

const idOf = ({ headers }: WebhookReceiver.Copy) => headers["webhook-id"] ?? ""

const behaviour = (copy: WebhookReceiver.Copy, before: ReadonlyArray<WebhookReceiver.Copy>) => {
  const earlier = before.filter((other) => idOf(other) === idOf(copy)).length
  const messages = new Set(before.map(idOf)).size
  return earlier === 0
    ? (badDays[messages % badDays.length] ?? "takes")
    : earlier === 1 && messages % 4 === 0
      ? "fails"
      : "takes"
}

const settled = Caller.get("/api/sandbox/metrics").pipe(
  Effect.repeat({
    schedule: Schedule.spaced("100 millis"),
    while: ({ webhooks }) => webhooks === undefined || webhooks.pending > 0
  }),
  Effect.zipRight(Caller.get("/api/sandbox/metrics")),
  Effect.timeout("2 minutes"),
  Effect.orDie
)

/** All ended executions, page by page. */
const ended = Effect.gen(function* () {
  const ids: Array<ExecutionId> = []
  let cursor = ""
  do {
    const page = yield* Caller.get(`/api/sandbox/executions?state=ended&limit=1000${cursor}`)
    for (const { executionId } of page.executions) ids.push(executionId)
    cursor = page.nextCursor === undefined ? "" : `&cursor=${page.nextCursor}`
  } while (cursor !== "")
  return ids
})

it.scopedLive(
  `each end is told at least once, in equal copies, though the server is killed ${kills} times`,
  () =>
    Effect.gen(function* () {
      const receiver = yield* WebhookReceiver.make(behaviour)
      const directory = yield* ServerProcess.temporaryDirectory
      const settings = { ...WebhookReceiver.settings, SANDBOX_DATA_DIR: directory }
      yield* ServerProcess.bundled

      /** A life of the server, in which it is asked for much and killed at a random moment. */
      const life = (round: number) =>
        Effect.gen(function* () {
          const { ended, kill, listening } = yield* ServerProcess.launch(settings)
          const server = ServerProcess.ServerProcess.of({ url: yield* listening, kill, ended })
          const ask = (index: number) =>
            Caller.tryPost({
              code: "echo told",
              language: "bash",
              userId: `user${index}`,
              webhook: `${receiver.url}/${round}/${index}`
            }).pipe(Effect.ignore, Effect.provideService(ServerProcess.ServerProcess, server))
          // From here on it is all under way: the first message, and more ends.
          yield* ask(0)
          yield* Effect.fork(
            Effect.forEach(Arr.range(1, executionsPerLife), ask, { concurrency: "unbounded", discard: true })
          )
          yield* Effect.sleep(yield* Random.nextIntBetween(0, 1000))
          yield* kill("SIGKILL")
          yield* ended
        }).pipe(Effect.scoped)

      yield* Effect.forEach(Arr.range(1, kills), life, { discard: true })

      const { kill, listening, ended: end } = yield* ServerProcess.launch(settings)
      const server = ServerProcess.ServerProcess.of({ url: yield* listening, kill, ended: end })
      yield* Effect.gen(function* () {
        const { webhooks } = yield* settled
        assert.deepInclude(webhooks, { pending: 0, failed: 0 })
        const executions = yield* ended
        assert.isNotEmpty(executions)
        const copies = Arr.groupBy(receiver.copies, ({ body }) => body.data.execution.executionId)
        const untold = executions.filter((executionId) => !Record.has(copies, executionId))
        assert.deepStrictEqual(untold, [])
        assert.strictEqual(webhooks.delivered, executions.length)
        for (const [executionId, told] of Record.toEntries(copies)) {
          assert.include(executions, executionId, "a message tells of nothing that was not kept")
          assert.strictEqual(new Set(told.map(idOf)).size, 1, executionId)
          assert.strictEqual(new Set(told.map(({ text }) => text)).size, 1, executionId)
          assert.strictEqual(told[0]?.body.type, "execution.completed")
        }
        const users = [...new Set(receiver.copies.map(({ body }) => body.data.execution.userId))]
        for (const user of users) {
          const { secret } = yield* Caller.get(`/api/webhooks/secret?userId=${user}`)
          const verifier = new Webhook(secret)
          for (const { body, headers, text } of receiver.copies)
            if (body.data.execution.userId === user) verify(verifier, text, headers)
        }
        assert.strictEqual((yield* Caller.get("/api/sandbox/audit/verify")).intact, true)
        const again = receiver.copies.length - Record.size(copies)
        yield* Effect.log(`${kills} kills, ${executions.length} ends, ${again} copies beside the first`)
      }).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
    }),
  120_000 + kills * 15_000
)

/** The signature counts also of copies that are older by now than the verifier lets through. */
const verify = (verifier: Webhook, text: string, headers: Readonly<Record<string, string>>) => {
  const timestamp = new Date(Number(headers["webhook-timestamp"]) * 1000)
  const isOld = Date.now() - timestamp.getTime() > 240_000
  if (isOld)
    assert.strictEqual(
      headers["webhook-signature"],
      verifier.sign(headers["webhook-id"] ?? "", timestamp, text)
    )
  else verifier.verify(text, headers)
}
