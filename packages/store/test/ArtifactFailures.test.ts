import { assert, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { asArtifactFailure } from "../src/Artifacts/ArtifactFailures.js"

it.effect("gives up a database that hangs, also where nothing can be interrupted", () =>
  Effect.gen(function* () {
    const asked = yield* Effect.forkDaemon(
      Effect.uninterruptible(Effect.flip(asArtifactFailure(Effect.never)))
    )
    yield* TestClock.adjust("30 seconds")
    const failure = yield* Fiber.poll(asked)
    assert.strictEqual(failure._tag, "Some")
    assert.strictEqual((yield* Fiber.join(asked)).reason, "Unavailable")
  })
)
