import { ExecutionId, UserId } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream, TestClock, Tracer } from "effect"
import { begin, service } from "./Fixture.js"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"

/** The span of somebody else in which a request is sent. */
const sent = (sampled: boolean) => Tracer.externalSpan({ traceId, spanId: "00f067aa0ba902b7", sampled })

/** Whose spans somebody is told of. */
const collected = Effect.map(Effect.tracer, (native) =>
  Tracer.make({ context: native.context, span: native.span.bind(native) })
)

const withCollector = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(collected, (tracer) => Effect.withTracer(effect, tracer))

const execute = Effect.flatMap(SandboxService, (sandboxes) => sandboxes.execute({ code: "1" }))

describe("RecordedTrace", () => {
  it.effect("is told wherever an execution is told of, where the caller records one", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const within = Effect.withParentSpan(sent(true))
      const result = yield* within(execute)
      assert.strictEqual(result.traceId, traceId)
      const record = yield* sandboxes.getExecution(result.executionId)
      assert.deepStrictEqual([record.traceId, record.result?.traceId], [traceId, traceId])
      const { items } = yield* sandboxes.listExecutions()
      assert.deepStrictEqual(
        items.map(({ traceId }) => traceId),
        [traceId]
      )
      assert.strictEqual((yield* within(sandboxes.submit({ code: "1" }))).traceId, traceId)
      const updates = yield* within(Stream.runCollect(sandboxes.stream({ code: "1" })))
      const last = [...updates].at(-1)
      assert(last?.type === "result")
      assert.strictEqual(last.result.traceId, traceId)
      const tracked = ExecutionId.make("exec_elsewhere")
      yield* within(sandboxes.startExecution(tracked, UserId.make("ann")))
      assert.strictEqual((yield* sandboxes.getExecution(tracked)).traceId, traceId)
      yield* sandboxes.endExecution(tracked)
    }).pipe(Effect.provide(service()))
  )

  it.effect(
    "is there while an execution waits, of one that is killed, and of one that finds no sandbox",
    () =>
      Effect.gen(function* () {
        const sandboxes = yield* SandboxService
        const fiber = yield* Effect.withParentSpan(begin(), sent(true))
        const { items } = yield* sandboxes.listExecutions({ state: "starting" })
        assert.deepStrictEqual(
          items.map(({ traceId }) => traceId),
          [traceId]
        )
        for (const { executionId } of items) yield* sandboxes.killExecution(executionId)
        assert.include(yield* Fiber.join(fiber), { verdict: "Killed", traceId })
        const failing = yield* Effect.withParentSpan(begin(), sent(true))
        yield* TestClock.adjust("1 minute")
        assert.include(yield* Fiber.join(failing), { verdict: "InternalError", traceId })
      }).pipe(Effect.provide(service({ create: MockSandboxProvider.failure("SANDBOX_BUSY", "create") })))
  )

  it.effect("is this program's own where it records traces and the caller has none", () =>
    Effect.gen(function* () {
      const span = yield* Effect.makeSpan("request")
      const { traceId } = yield* execute.pipe(Effect.withParentSpan(span), withCollector)
      assert.strictEqual(traceId, span.traceId)
      const alone = yield* withCollector(execute)
      assert.match(alone.traceId ?? "", /^[0-9a-f]{32}$/)
    }).pipe(Effect.provide(service()))
  )

  it.effect("is not there where nobody records one", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const unrecorded = [
        execute,
        Effect.withSpan(execute, "request"),
        Effect.withParentSpan(execute, sent(false)),
        withCollector(Effect.withParentSpan(execute, sent(false)))
      ]
      for (const one of unrecorded) {
        const result = yield* one
        assert.notProperty(result, "traceId")
        assert.notProperty(yield* sandboxes.getExecution(result.executionId), "traceId")
      }
    }).pipe(Effect.provide(service()))
  )
})
