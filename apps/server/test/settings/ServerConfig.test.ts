import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Exit, Layer, Option, Redacted } from "effect"
import { describeFailure } from "../../src/StartFailure.js"
import { ServerConfig } from "../../src/settings/ServerConfig.js"

type Environment = Readonly<Record<string, string>>

const read = (environment: Environment) =>
  ServerConfig.pipe(
    Effect.provide(
      ServerConfig.layerFromEnv.pipe(
        Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))
      )
    )
  )

const refusal = (environment: Environment) =>
  Effect.map(
    Effect.exit(read(environment)),
    Exit.match({
      onSuccess: () => assert.fail(`accepted ${JSON.stringify(environment)}`),
      onFailure: (cause) => describeFailure(Option.getOrThrow(Cause.failureOption(cause)))
    })
  )

describe("ServerConfig", () => {
  it.effect("has defaults that need nothing", () =>
    Effect.gen(function* () {
      const { adminToken, callerKeys, instance, ...settings } = yield* read({})
      assert.isTrue(Option.isNone(instance))
      assert.deepStrictEqual(settings, {
        port: 8787,
        host: "127.0.0.1",
        maxConnections: Option.none(),
        requestTimeout: 120,
        backend: { _tag: "Embedded" },
        images: new Map(),
        nvidiaRoot: "/",
        adminTokenIsRandom: true
      })
      assert.deepStrictEqual(callerKeys, [])
      assert.match(Redacted.value(adminToken), /^[\w-]{32}$/)
      const another = yield* read({})
      assert.notStrictEqual(Redacted.value(adminToken), Redacted.value(another.adminToken))
    })
  )

  it.effect("takes what is set", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        PORT: "0",
        HOST: "0.0.0.0",
        ADMIN_API_TOKEN: "token",
        SANDBOX_API_KEYS: "alice:k1, bob@x.org:k:2",
        E2B_API_KEY: "e2b_key",
        E2B_TEMPLATE: "mine",
        E2B_API_URL: "https://api.example.org"
      })
      assert.strictEqual(settings.port, 0)
      assert.isFalse(settings.adminTokenIsRandom)
      assert.deepStrictEqual(
        settings.callerKeys.map(({ key, userId }) => `${userId} ${Redacted.value(key)}`),
        ["alice k1", "bob@x.org k:2"]
      )
      assert(settings.backend._tag === "E2B")
      const { apiKey, ...options } = settings.backend.options
      assert.deepStrictEqual(options, { template: "mine", apiUrl: "https://api.example.org" })
      assert.strictEqual(Redacted.value(apiKey), "e2b_key")
      assert.notInclude(JSON.stringify(settings), "e2b_key")
    })
  )

  it.effect("lets SANDBOX_BACKEND decide by force", () =>
    Effect.gen(function* () {
      const forced = yield* read({ E2B_API_KEY: "key", SANDBOX_BACKEND: "embedded" })
      assert.strictEqual(forced.backend._tag, "Embedded")
      assert.match(yield* refusal({ SANDBOX_BACKEND: "e2b" }), /^E2B_API_KEY: expected/)
    })
  )

  it.effect("counts an empty variable as absent", () =>
    Effect.gen(function* () {
      const settings = yield* read({ PORT: "", HOST: " ", E2B_API_KEY: "", ADMIN_API_TOKEN: "" })
      assert.strictEqual(settings.port, 8787)
      assert.strictEqual(settings.backend._tag, "Embedded")
      assert.isTrue(settings.adminTokenIsRandom)
    })
  )

  const bad: ReadonlyArray<readonly [Environment, RegExp]> = [
    [{ PORT: "http" }, /^PORT: expected a port, 0 to 65535, got 'http'$/],
    [{ PORT: "65536" }, /^PORT: /],
    [{ PORT: "-1" }, /^PORT: /],
    [{ PORT: "80.5" }, /^PORT: /],
    [{ HOST: "a b" }, /^HOST: expected an address or a host name, got 'a b'$/],
    [{ E2B_API_KEY: "e2b secret" }, /^E2B_API_KEY: expected a key of E2B's/],
    [{ E2B_API_URL: "api.example.org" }, /^E2B_API_URL: expected an http or https URL/],
    [{ SANDBOX_INSTANCE: "a b" }, /^SANDBOX_INSTANCE: expected 1 to 128 letters/],
    [{ SANDBOX_BACKEND: "docker" }, /^SANDBOX_BACKEND: expected 'e2b' or 'embedded', got 'docker'$/],
    [{ ADMIN_API_TOKEN: "se cret" }, /^ADMIN_API_TOKEN: expected printable/],
    [{ SANDBOX_API_KEYS: "secret" }, /^SANDBOX_API_KEYS: expected user:key pairs.*pair 1 is not one$/],
    [{ SANDBOX_API_KEYS: "alice:k1,:secret" }, /pair 2 is not one$/],
    [{ SANDBOX_API_KEYS: "alice:k1,a/b:secret" }, /pair 2 is not one$/],
    [
      { SANDBOX_API_KEYS: "alice:secret,bob:secret" },
      /^SANDBOX_API_KEYS: expected user:key pairs.*two of them have the same key$/
    ],
    [
      { ADMIN_API_TOKEN: "secret", SANDBOX_API_KEYS: "ann:k1,bob:secret" },
      /^ADMIN_API_TOKEN: is also the key of a caller in SANDBOX_API_KEYS/
    ],
    [{ E2B_API_URL: "http://[" }, /^E2B_API_URL: expected an http or https URL/],
    [{ HOST: "0.0.0.0" }, /^HOST: '0\.0\.0\.0' can be reached from other machines.*SANDBOX_API_KEYS/],
    [{ HOST: "::" }, /^HOST: /],
    [{ HOST: "example.org" }, /^HOST: /],
    [{ HOST: "127.0.0.1.example.org" }, /^HOST: /]
  ]
  for (const [environment, message] of bad) {
    it.effect(`refuses ${JSON.stringify(environment)}`, () =>
      Effect.gen(function* () {
        const text = yield* refusal(environment)
        assert.match(text, message)
        assert.notMatch(text, /\n|secret|se cret/)
      })
    )
  }

  it.effect("takes every loopback address without keys", () =>
    Effect.forEach(["127.0.0.1", "127.1.2.3", "::1", "localhost"], (HOST) => read({ HOST }))
  )
})
