import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { describeFailure } from "../../src/StartFailure.js"
import { WebhookConfig } from "../../src/settings/WebhookConfig.js"

const read = (environment: Readonly<Record<string, string>>) =>
  Effect.provide(
    WebhookConfig,
    WebhookConfig.layerFromEnv.pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))
    )
  )

describe("WebhookConfig", () => {
  it.effect("sends webhooks to public addresses for a day, unless told", () =>
    Effect.gen(function* () {
      const usual = { areSent: true, networks: [], patience: 24, concurrency: 32 }
      assert.deepStrictEqual(yield* read({}), usual)
      const { areSent, networks, patience } = yield* read({
        SANDBOX_WEBHOOKS: "off",
        SANDBOX_WEBHOOK_NETWORKS: "10.0.0.0/8, ::1,127.0.0.1",
        SANDBOX_WEBHOOK_HOURS: "1"
      })
      assert.deepStrictEqual([areSent, patience], [false, 1])
      assert.deepStrictEqual(
        networks.map(([address, bits]) => `${address}/${bits}`),
        ["10.0.0.0/8", "::1/128", "127.0.0.1/32"]
      )
    })
  )

  const bad = {
    SANDBOX_WEBHOOKS: "yes",
    SANDBOX_WEBHOOK_NETWORKS: "10.0.0.0/8,inside",
    SANDBOX_WEBHOOK_HOURS: "0",
    SANDBOX_WEBHOOK_CONCURRENCY: "many"
  }
  for (const [name, value] of Object.entries(bad))
    it.effect(`refuses ${name}=${value} in one line that says what it takes`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [name]: value }))
        assert.match(describeFailure(error), new RegExp(`^${name}: expected .+, got '${value}'$`))
      })
    )
})
