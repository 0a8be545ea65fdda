import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option } from "effect"
import { describeFailure } from "../../src/StartFailure.js"
import { NetworkConfig } from "../../src/settings/NetworkConfig.js"

type Environment = Readonly<Record<string, string>>

const read = (environment: Environment) =>
  Effect.provide(
    NetworkConfig,
    NetworkConfig.layerFromEnv.pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))
    )
  )

const e2b = { E2B_API_KEY: "e2b_key" }

const boundOf = (environment: Environment) => Effect.map(read(environment), ({ bound }) => bound)

describe("NetworkConfig", () => {
  it.effect("is closed on the embedded host and open on E2B, unless told", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* boundOf({}), { mode: "off", allow: [], deny: [] })
      assert.deepStrictEqual(yield* boundOf(e2b), { mode: "open", allow: [], deny: [] })
      assert.strictEqual((yield* boundOf({ ...e2b, SANDBOX_BACKEND: "embedded" })).mode, "off")
    })
  )

  it.effect("is filtered where something is allowed, in one form", () =>
    Effect.gen(function* () {
      const { bound, host, ofUsers } = yield* read({
        SANDBOX_NETWORK_ALLOW: "PyPI.org, *.a.com:443,[2606:4700::/32]:80",
        SANDBOX_NETWORK_DENY: "evil.a.com 9.0.0.0/8",
        SANDBOX_USER_NETWORK: "ann pypi.org -b.pypi.org; bob off ; eve filtered x.a.com:443; joe -x.a.com",
        SANDBOX_NETWORK_PRIVATE: "127.0.0.1:8080,10.0.0.0/8",
        SANDBOX_NETWORK_MAX_MB: "10"
      })
      assert.deepStrictEqual(bound, {
        mode: "filtered",
        allow: ["pypi.org", "*.a.com:443", "[2606:4700::/32]:80"],
        deny: ["evil.a.com", "9.0.0.0/8"]
      })
      assert.deepStrictEqual(Object.fromEntries(ofUsers), {
        ann: { allow: ["pypi.org"], deny: ["b.pypi.org"] },
        bob: { mode: "off" },
        eve: { mode: "filtered", allow: ["x.a.com:443"] },
        joe: { deny: ["x.a.com"] }
      })
      assert.deepStrictEqual(host, {
        private: ["127.0.0.1:8080", "10.0.0.0/8"],
        maxConnections: Option.none(),
        maxMB: Option.some(10),
        mbPerSecond: Option.none()
      })
    })
  )

  const refused: ReadonlyArray<readonly [Environment, RegExp]> = [
    [{ SANDBOX_NETWORK: "closed" }, /^SANDBOX_NETWORK: expected .*'off'.*, got 'closed'$/],
    [{ SANDBOX_NETWORK: "open", SANDBOX_NETWORK_ALLOW: "a.com" }, /^SANDBOX_NETWORK_ALLOW: expected none/],
    [{ SANDBOX_NETWORK: "filtered" }, /^SANDBOX_NETWORK_ALLOW: expected something/],
    [{ SANDBOX_NETWORK_ALLOW: "https://a.com" }, /^SANDBOX_NETWORK_ALLOW: expected .*got 'https:\/\/a\.com'/],
    [{ SANDBOX_NETWORK_DENY: "10.0.0.1/8" }, /^SANDBOX_NETWORK_DENY: .*10\.0\.0\.0\/8/],
    [{ SANDBOX_NETWORK_PRIVATE: "db.inside" }, /^SANDBOX_NETWORK_PRIVATE: .*got the name 'db\.inside'/],
    [{ SANDBOX_NETWORK_MAX_MB: "0" }, /^SANDBOX_NETWORK_MAX_MB: expected/],
    [{ SANDBOX_USER_NETWORK: "ann" }, /^SANDBOX_USER_NETWORK: .*no policy for 'ann'/],
    [{ SANDBOX_USER_NETWORK: "ann open" }, /^SANDBOX_USER_NETWORK: of 'ann', mode: expected off/],
    [
      { SANDBOX_NETWORK_ALLOW: "a.com", SANDBOX_USER_NETWORK: "ann b.com" },
      /^SANDBOX_USER_NETWORK: of 'ann', allow\.0: .*a\.com/
    ],
    [{ ...e2b, SANDBOX_NETWORK_DENY: "evil.example" }, /^SANDBOX_NETWORK: .*E2B cannot deny names/],
    [{ ...e2b, SANDBOX_NETWORK_ALLOW: "a.com:443" }, /^SANDBOX_NETWORK: .*ports/],
    [{ ...e2b, SANDBOX_NETWORK_MAX_MB: "10" }, /^SANDBOX_NETWORK_MAX_MB: .*not E2B$/],
    [{ ...e2b, SANDBOX_NETWORK_PRIVATE: "10.0.0.1" }, /^SANDBOX_NETWORK_PRIVATE: .*not E2B$/]
  ]
  for (const [environment, words] of refused)
    it.effect(`refuses in one line: ${JSON.stringify(environment)}`, () =>
      Effect.gen(function* () {
        const line = describeFailure(yield* Effect.flip(read(environment)))
        assert.match(line, words)
        assert.notInclude(line, "\n")
      })
    )
})
