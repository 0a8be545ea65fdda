import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as ServiceOnMock from "../src/ServiceOnMock.js"

/** Sandboxes without anything that could supervise. */
const unsupervised = MockSandboxProvider.layer({
  toolchain: MockSandboxProvider.printing("python3 Python 3.11.2\n")
})

describe("ServiceOnMock", () => {
  it.effect("has programs complete", () =>
    Effect.gen(function* () {
      const { verdict } = yield* ServiceOnMock.complete("someone")
      assert.strictEqual(verdict, "Completed")
    }).pipe(Effect.provide(ServiceOnMock.layer({})))
  )

  it.effect("gives no number of programs that nobody supervised", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(ServiceOnMock.complete("someone"))
      assert.include(failure.message, '"verdict":"Completed"')
      assert.include(failure.message, '"wallTime":"service"')
    }).pipe(Effect.provide(Layer.provide(SandboxService.layer({}), unsupervised)))
  )
})
