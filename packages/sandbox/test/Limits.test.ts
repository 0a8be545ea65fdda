import { defaultLimits } from "@bulkhead/domain"
import { Limits, variableName } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"

const read = (environment: Record<string, string>) =>
  Effect.provide(
    Limits,
    Limits.layerFromEnv.pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))
    )
  )

describe("Limits", () => {
  it("names variables as the contract does", () => {
    assert.strictEqual(variableName("maxMemoryMB"), "SANDBOX_MAX_MEMORY_MB")
    assert.strictEqual(variableName("retryBackoffMs"), "SANDBOX_RETRY_BACKOFF_MS")
    assert.strictEqual(variableName("maxSandboxesPerUser"), "SANDBOX_MAX_SANDBOXES_PER_USER")
  })

  it.effect("are the specification's unless told otherwise", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), defaultLimits)
      const limits = yield* read({ SANDBOX_MAX_TIMEOUT: "1800", SANDBOX_KILL_GRACE_PERIOD: "0.5" })
      assert.deepStrictEqual(limits, { ...defaultLimits, maxTimeout: 1800, killGracePeriod: 0.5 })
    })
  )

  for (const [variable, value] of [
    ["SANDBOX_MAX_TIMEOUT", "soon"],
    ["SANDBOX_MAX_MEMORY_MB", "-1"],
    ["SANDBOX_MAX_CPU_PERCENT", "180"],
    ["SANDBOX_MAX_MEMORY_MB", "999999999"],
    ["SANDBOX_MAX_DISK_MB", "999999999"],
    ["SANDBOX_MAX_OUTPUT_BYTES", "10000000000"],
    ["SANDBOX_MAX_PROCESSES", "2"],
    ["SANDBOX_MAX_PROCESSES", "999999999"],
    ["SANDBOX_MAX_RETRIES", "1.5"],
    ["SANDBOX_DEFAULT_TIMEOUT", "1000"]
  ] as const) {
    it.effect(`refuse ${variable}='${value}' and say what it takes`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [variable]: value }))
        assert.include(String(error), variable)
        assert.include(String(error), "expected")
      })
    )
  }

  it.effect("are not set by a variable that is set to nothing", () =>
    Effect.gen(function* () {
      const limits = yield* read({ SANDBOX_MAX_TIMEOUT: "", SANDBOX_MAX_RETRIES: " " })
      assert.deepStrictEqual(limits, defaultLimits)
    })
  )

  it.effect("set through options beat the defaults", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Limits).maxConcurrentSandboxes, 100)
    }).pipe(Effect.provide(Limits.layer({ maxConcurrentSandboxes: 100 })))
  )
})
