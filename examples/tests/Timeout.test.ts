import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider, TestSandboxService } from "@bulkhead/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"

const Sleeping = TestSandboxService.layer({ program: MockSandboxProvider.sleeper })

it.effect("a program that never ends is ended after five minutes", () =>
  Effect.gen(function* () {
    const { execute } = yield* SandboxService
    const running = yield* Effect.fork(execute({ code: "while True: pass" }))
    yield* TestClock.adjust("5 minutes")
    assert.include(yield* Fiber.join(running), { verdict: "TimeLimitExceeded" })
  }).pipe(Effect.provide(Sleeping))
)
