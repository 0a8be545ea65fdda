import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option, Redacted } from "effect"
import { describeFailure } from "../src/StartFailure.js"
import { StoreConfig } from "../src/StoreConfig.js"

const read = (environment: Readonly<Record<string, string>>) =>
  Effect.provide(
    StoreConfig,
    StoreConfig.layerFromEnv.pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))
    )
  )

describe("StoreConfig", () => {
  it.effect("has the defaults that the README tells", () =>
    Effect.gen(function* () {
      const settings = yield* read({ XDG_STATE_HOME: "/state" })
      assert.deepInclude(settings, {
        directory: "/state/bulkhead",
        databaseUrl: Option.none(),
        durability: "normal",
        retentionDays: 30,
        retentionMB: 10_240,
        prices: { vcpuSecond: 0.000014, gibSecond: 0.0000045 }
      })
    })
  )

  it.effect("takes what is set, and keeps the database's address to itself", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        SANDBOX_DATA_DIR: "/data",
        DATABASE_URL: "postgres://user:secret@db/bulkhead",
        SANDBOX_DURABILITY: "full",
        SANDBOX_EVENT_LOG: "off",
        SANDBOX_RETENTION_DAYS: "0"
      })
      assert.deepInclude(settings, { directory: "/data", durability: "full", retentionDays: 0 })
      assert.isFalse(settings.logsEvents)
      assert.strictEqual(
        Redacted.value(Option.getOrThrow(settings.databaseUrl)),
        "postgres://user:secret@db/bulkhead"
      )
      assert.notInclude(JSON.stringify(settings), "secret")
    })
  )

  const bad = {
    SANDBOX_DURABILITY: "strong",
    SANDBOX_EVENT_LOG: "stderr",
    SANDBOX_RETENTION_DAYS: "-1",
    SANDBOX_RETENTION_MB: "1.5",
    SANDBOX_PRICE_VCPU_SECOND: "free",
    SANDBOX_PRICE_GIB_SECOND: "-1"
  }
  for (const [name, value] of Object.entries(bad)) {
    it.effect(`refuses ${name}=${value} in one line that says what it takes`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [name]: value }))
        assert.match(describeFailure(error), new RegExp(`^${name}: expected .+, got '${value}'$`))
      })
    )
  }
})
