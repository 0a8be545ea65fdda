import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, TestClock } from "effect"

/** A sandbox with Python in which every program prints something and then sleeps for ever. */
const program: MockSandboxProvider.MockProgram = (process) =>
  process.command.line.includes("python3 --version")
    ? Effect.as(process.stdout("python3 3.11.2\n"), { exitCode: 0 })
    : Effect.zipRight(process.stdout("begun\n"), MockSandboxProvider.sleeper(process))

const Sandboxes = SandboxService.layer().pipe(Layer.provideMerge(MockSandboxProvider.layer({ program })))

it.effect("a program that runs too long is ended, and what it printed is there", () =>
  Effect.gen(function* () {
    const sandboxes = yield* SandboxService
    const running = yield* Effect.fork(sandboxes.execute({ code: "a long story", timeout: 60 }))
    yield* TestClock.adjust("1 minute")
    const { stdout, verdict } = yield* Fiber.join(running)
    assert.deepStrictEqual({ stdout, verdict }, { stdout: "begun\n", verdict: "TimeLimitExceeded" })
  }).pipe(Effect.provide(Sandboxes))
)
