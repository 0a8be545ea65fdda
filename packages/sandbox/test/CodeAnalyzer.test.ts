import { type CodeAnalysis, CodeAnalyzer, SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { service } from "./Fixture.js"

const finding = { rule: "shell-on-socket", kind: "reverse-shell", line: 3, message: "binds a shell" }

const analyzing = (analyze: Effect.Effect<CodeAnalysis | undefined>) =>
  Effect.provide(Layer.provideMerge(service(), Layer.succeed(CodeAnalyzer, { analyze: () => analyze })))

const execute = Effect.flatMap(SandboxService, ({ execute }) => execute({ code: "print(1)" }))

const eventsOf = Effect.fnUntraced(function* () {
  const { getLogs, listExecutions } = yield* SandboxService
  const { items } = yield* listExecutions()
  return yield* Effect.flatMap(
    Effect.forEach(items, ({ executionId }) => getLogs(executionId)),
    (logs) => Effect.succeed(logs.flat())
  )
})

describe("the look at a program's code", () => {
  it.effect("is told in the result and in one event, and lets the program run", () =>
    Effect.gen(function* () {
      const result = yield* execute
      assert.isTrue(result.success)
      assert.deepStrictEqual(result.findings?.length, 20)
      assert.strictEqual(result.notAnalysed, "too deep")
      const flagged = (yield* eventsOf()).filter(({ event }) => event === "code_flagged")
      assert.strictEqual(flagged.length, 1)
      assert.deepInclude(flagged[0]?.data, { notAnalysed: "too deep", findings: result.findings })
    }).pipe(
      analyzing(
        Effect.succeed({ findings: Array.from({ length: 50 }, () => finding), notAnalysed: "too deep" })
      )
    )
  )

  it.effect("refuses before any sandbox is asked for, and that is kept", () =>
    Effect.gen(function* () {
      const refusal = yield* Effect.flip(execute)
      assert.include(refusal, { _tag: "MaliciousCode", message: "no: shell-on-socket" })
      assert.deepStrictEqual(
        (yield* eventsOf()).map(({ event }) => event),
        ["code_flagged", "execution_rejected"]
      )
      const { created } = yield* MockSandboxProvider.MockSandboxes
      // One is for the look at the toolchain.
      assert.isAtMost((yield* created).filter(({ files }) => files.length > 0).length, 0)
    }).pipe(analyzing(Effect.succeed({ findings: [finding], refusal: "no: shell-on-socket" })))
  )

  it.effect("leaves no trace where nothing was found, or it is off", () =>
    Effect.gen(function* () {
      const result = yield* execute
      assert.notProperty(result, "findings")
      assert.notProperty(result, "notAnalysed")
      assert.notInclude(
        (yield* eventsOf()).map(({ event }) => event),
        "code_flagged"
      )
    }).pipe(analyzing(Effect.succeed({ findings: [] })))
  )

  it.effect("ends with a kill", () =>
    Effect.gen(function* () {
      const { killExecution, submit } = yield* SandboxService
      const fiber = yield* Effect.fork(submit({ code: "print(1)" }))
      yield* Effect.repeat(
        Effect.flatMap(SandboxService, ({ listExecutions }) => listExecutions({ state: "queued" })),
        {
          until: ({ items }) => items.length > 0
        }
      )
      const { items } = yield* (yield* SandboxService).listExecutions({ state: "queued" })
      yield* Effect.forEach(items, ({ executionId }) => killExecution(executionId))
      yield* Fiber.await(fiber)
      const { items: ended } = yield* (yield* SandboxService).listExecutions({ state: "ended" })
      assert.deepStrictEqual(
        ended.map(({ verdict }) => verdict),
        ["Killed"]
      )
    }).pipe(analyzing(Effect.never))
  )
})
