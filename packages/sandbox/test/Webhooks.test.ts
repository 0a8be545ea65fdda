import { UserId, type WebhookMessage } from "@bulkhead/domain"
import {
  type Entry,
  ExecutionStore,
  MemoryExecutionStore,
  Outbox,
  SandboxService,
  Webhooks
} from "@bulkhead/sandbox"
import { TestSandboxService } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Effect, Layer, Ref } from "effect"

const ann = UserId.make("ann")
const events = ["execution.queued", "execution.started", "execution.completed"] as const

const sending: Partial<Context.Tag.Service<Webhooks>> = {
  areSent: true,
  flawOf: (url) => (url.includes("inside") ? "expected a public address" : undefined),
  metrics: Effect.succeed({ pending: 1, failed: 2, delivered: 3 })
}

/** A service whose webhooks somebody sends, or nobody. */
const service = (
  sender: Partial<Context.Tag.Service<Webhooks>>,
  options: TestSandboxService.TestOptions = {}
) =>
  TestSandboxService.layerOver(options).pipe(
    Layer.provide(
      Layer.effect(
        Webhooks,
        Effect.map(Webhooks, (off) => ({ ...off, ...sender }))
      )
    ),
    Layer.provideMerge(MemoryExecutionStore.layer())
  )

const bodies = Effect.gen(function* () {
  const { due } = yield* Outbox
  const all = { now: 1e12, limit: 100, each: 100, except: [], busyUsers: [], busyReceivers: [] }
  return (yield* due(all)).map(({ body }): WebhookMessage => JSON.parse(body))
})

const execute = (webhook?: string | { readonly url: string; readonly events: typeof events }) =>
  Effect.flatMap(SandboxService, (sandboxes) =>
    sandboxes.execute({ code: "print(1)", ...(webhook ? { webhook } : {}) }, { userId: ann })
  )

describe("Webhooks", () => {
  it.effect("are told of the end, and of what comes before it where they ask for that", () =>
    Effect.gen(function* () {
      const { executionId, stdout } = yield* execute("https://example.com/")
      const [message, ...others] = yield* bodies
      assert.deepStrictEqual(others, [])
      assert.deepInclude(message?.data.execution as object, {
        executionId,
        state: "ended",
        verdict: "Completed"
      })
      assert.strictEqual(message?.data.result?.stdout, stdout)
      yield* execute({ url: "https://example.com/all", events })
      const types = (yield* bodies).map(({ type }) => type)
      // Nothing had to wait.
      assert.sameMembers(types, ["execution.completed", "execution.started", "execution.completed"])
      const { getSystemMetrics } = yield* SandboxService
      assert.deepStrictEqual((yield* getSystemMetrics).webhooks, { pending: 1, failed: 2, delivered: 3 })
    }).pipe(Effect.provide(service(sending)))
  )

  it.effect("of a request are refused where nothing may be sent to them, and nothing is run", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(execute("https://inside.example.com/"))
      assert.strictEqual(refused._tag, "InvalidRequest")
      assert.strictEqual(refused.message, "webhook: expected a public address")
      const store = yield* ExecutionStore
      assert.deepStrictEqual((yield* store.list({})).items, [])
    }).pipe(Effect.provide(service(sending)))
  )

  it.effect("are refused, and nothing is announced, where nobody sends them", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(execute("https://example.com/"))
      assert.strictEqual(refused.message, "webhook: expected no webhook, since this service sends none")
      const { getSystemMetrics } = yield* SandboxService
      assert.notProperty(yield* getSystemMetrics, "webhooks")
    }).pipe(Effect.provide(service({})))
  )

  it.effect("are told of an execution with the end, in one append", () =>
    Effect.gen(function* () {
      const appended = yield* Ref.make<ReadonlyArray<ReadonlyArray<Entry["_tag"]>>>([])
      const watched = Layer.effect(
        ExecutionStore,
        Effect.map(ExecutionStore, (store) => ({
          ...store,
          append: (entries: ReadonlyArray<Entry>) =>
            Effect.zipRight(
              Ref.update(appended, (before) => [...before, entries.map(({ _tag }) => _tag)]),
              store.append(entries)
            )
        }))
      )
      const announcing = TestSandboxService.layerOver().pipe(
        Layer.provide(
          Layer.effect(
            Webhooks,
            Effect.map(Webhooks, (off) => ({ ...off, ...sending }))
          )
        ),
        Layer.provide(Layer.provideMerge(watched, MemoryExecutionStore.layer()))
      )
      yield* Effect.provide(execute("https://example.com/"), announcing)
      assert.deepStrictEqual((yield* Ref.get(appended)).at(-1), ["Happened", "Ended", "Announced"])
    })
  )
})
