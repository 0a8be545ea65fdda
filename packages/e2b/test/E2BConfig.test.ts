import { E2BConfig, E2BSandbox } from "@bulkhead/e2b"
import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { ConnectionConfig } from "e2b"
import { Effect, Redacted } from "effect"

const connection = Effect.map(E2BConfig, (config) => new ConnectionConfig(E2BSandbox.connectionOf(config)))
const apiKey = Redacted.make("e2b_key")

afterEach(() => {
  vi.unstubAllEnvs()
})

describe("E2BConfig", () => {
  it.effect("decides what the SDK would otherwise take from the environment", () =>
    Effect.gen(function* () {
      vi.stubEnv("E2B_DOMAIN", "example.org")
      vi.stubEnv("E2B_API_URL", "https://example.org")
      vi.stubEnv("E2B_API_KEY", "another")
      vi.stubEnv("E2B_DEBUG", "true")
      const { apiKey, apiUrl, debug, domain } = yield* connection
      assert.deepStrictEqual(
        { apiKey, apiUrl, debug, domain },
        { apiKey: "e2b_key", apiUrl: "https://api.e2b.app", debug: false, domain: "e2b.app" }
      )
    }).pipe(Effect.provide(E2BConfig.layer({ apiKey })))
  )

  it.effect("finds the API by the domain", () =>
    Effect.gen(function* () {
      assert.include(yield* connection, { apiUrl: "https://api.e2b.example.org", domain: "e2b.example.org" })
    }).pipe(Effect.provide(E2BConfig.layer({ apiKey, domain: "e2b.example.org" })))
  )
})
