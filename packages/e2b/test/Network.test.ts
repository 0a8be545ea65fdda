import type { NetworkPolicy } from "@bulkhead/domain"
import type { E2BOptions } from "@bulkhead/e2b"
import { E2BConfig, E2BSandbox, E2BSandboxProvider, networkControls } from "@bulkhead/e2b"
import { SandboxProvider } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Struct } from "effect"
import * as Misbehaving from "./Misbehaving.js"

const off: NetworkPolicy = { mode: "off", allow: [], deny: [] }
const open: NetworkPolicy = { mode: "open", allow: [], deny: [] }
const filtered = (...allow: ReadonlyArray<string>): NetworkPolicy => ({ mode: "filtered", allow, deny: [] })

const apiKey = Redacted.make("e2b_key")

const optionsOf = (url: string): E2BOptions => ({ apiKey, apiUrl: url, sandboxUrl: url })

const make = (url: string, network: NetworkPolicy | undefined, options: Partial<E2BOptions> = {}) =>
  Effect.provide(
    E2BSandbox.create({ metadata: {}, lifetime: Duration.seconds(60), ...(network && { network }) }),
    E2BConfig.layer({ ...optionsOf(url), ...options })
  )

/** What a create says of the network. */
const saidOf = (body = "{}"): unknown => Struct.pick(JSON.parse(body), "allow_internet_access", "network")

describe("a network policy on E2B's wire", () => {
  const cases: ReadonlyArray<readonly [string, NetworkPolicy | undefined, unknown]> = [
    ["none", undefined, { allow_internet_access: true }],
    ["off", off, { allow_internet_access: false }],
    ["open", open, { allow_internet_access: true }],
    [
      "open but for some",
      { ...open, deny: ["9.0.0.0/8"] },
      { allow_internet_access: true, network: { denyOut: ["9.0.0.0/8"] } }
    ],
    [
      "filtered",
      filtered("pypi.org", "*.a.com", "9.9.9.9"),
      {
        network: { allowOut: ["pypi.org", "*.a.com", "9.9.9.9"], denyOut: ["0.0.0.0/0"] }
      }
    ],
    [
      "filtered but for some",
      { ...filtered("9.0.0.0/8"), deny: ["8.8.8.8"] },
      { network: { allowOut: ["9.0.0.0/8"], denyOut: ["0.0.0.0/0", "8.8.8.8"] } }
    ],
    [
      "filtered, with all addresses denied",
      { ...filtered("a.com"), deny: ["0.0.0.0/0", "::/0"] },
      {
        network: {
          allowOut: ["a.com"],
          denyOut: ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]
        }
      }
    ],
    [
      "open but for IPv6",
      { ...open, deny: ["::/0"] },
      { allow_internet_access: true, network: { denyOut: ["::/1", "8000::/1"] } }
    ],
    ["filtered to nothing", filtered(), { network: { allowOut: [], denyOut: ["0.0.0.0/0"] } }]
  ]
  for (const [name, policy, said] of cases)
    it.scoped(`is said in the SDK's own options: ${name}`, () =>
      Effect.gen(function* () {
        const { bodies, url } = yield* Misbehaving.make()
        yield* make(url, policy)
        assert.deepStrictEqual(saidOf(bodies.create[0]), said)
      })
    )
})

describe("what E2B cannot express", () => {
  const { flawOf } = networkControls.e2b

  const refused: ReadonlyArray<readonly [NetworkPolicy, RegExp]> = [
    [filtered("pypi.org:443"), /ports.*pypi\.org:443/],
    [{ ...open, deny: ["9.0.0.0/8:25"] }, /ports/],
    [{ ...open, deny: ["evil.example"] }, /names.*evil\.example/],
    [filtered("10.1.2.3"), /public addresses/],
    [filtered("0.0.0.0/0"), /public addresses/],
    [filtered("169.254.169.254"), /public addresses/],
    [filtered("::1"), /public addresses/],
    [filtered("::ffff:10.0.0.0/104"), /public addresses/],
    [{ ...filtered("9.0.0.0/8"), deny: ["9.1.0.0/16"] }, /may be allowed.*9\.1\.0\.0\/16/],
    // What a name stands for is not known.
    [{ ...filtered("pypi.org"), deny: ["9.1.0.0/16"] }, /may be allowed/]
  ]
  for (const [policy, why] of refused)
    it(`is refused: ${JSON.stringify(policy)}`, () => assert.match(flawOf(policy) ?? "nothing", why))

  it("is nothing else", () => {
    for (const policy of [
      off,
      open,
      { ...open, deny: ["10.0.0.0/8"] },
      filtered("pypi.org", "*.a.com", "9.0.0.0/8", "2606:4700::/32"),
      { ...filtered("9.0.0.0/8"), deny: ["8.0.0.0/8"] }
    ])
      assert.isUndefined(flawOf(policy), JSON.stringify(policy))
  })

  it("is everything but no network where sandboxes have none", () => {
    assert.isUndefined(networkControls.none.flawOf(off))
    assert.match(networkControls.none.flawOf(filtered("a.com")) ?? "nothing", /mode off/)
  })

  it.effect("is known of the provider, and what its sandboxes have when nobody decides", () =>
    Effect.gen(function* () {
      const defaults = yield* Effect.forEach(
        [{}, { internetAccess: false }, { network: "embedded" }, { network: "none" }] as const,
        (options) =>
          Effect.provide(
            Effect.map(SandboxProvider, ({ network }) => network?.defaultMode),
            E2BSandboxProvider.layer({ apiKey, ...options })
          )
      )
      assert.deepStrictEqual(defaults, ["open", "off", "off", "off"])
    })
  )
})

describe("what the embedded host tells of connections", () => {
  const report = {
    attempts: [
      {
        at: 7,
        protocol: "socks5",
        name: "evil.example",
        port: 443,
        decision: "denied",
        reason: "not_allowed"
      }
    ],
    next: 1,
    use: { connections: 0, denied: 1, sentBytes: 0, receivedBytes: 0, missed: 0 }
  }

  it.scoped("is asked for with the key, from a place on, and read", () =>
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const { url } = yield* Misbehaving.make({
        attempts: (response, request) => {
          seen.push(request.url, String(request.headers["x-api-key"]))
          Misbehaving.json(200, report)(response, request)
        }
      })
      const { network } = yield* make(url, filtered("a.com"), { network: "embedded" })
      assert.deepStrictEqual(yield* network?.(3, Duration.seconds(20)) ?? Effect.void, report as never)
      assert.deepStrictEqual(seen, ["/sandboxes/sbx-misbehaving/network/attempts?from=3&wait=20", "e2b_key"])
    })
  )

  it.scoped("is not asked for without a network, nor on E2B", () =>
    Effect.gen(function* () {
      const { url } = yield* Misbehaving.make()
      assert.notProperty(yield* make(url, off, { network: "embedded" }), "network")
      assert.notProperty(yield* make(url, undefined, { network: "embedded" }), "network")
      assert.notProperty(yield* make(url, open), "network")
    })
  )

  const broken: ReadonlyArray<readonly [string, Misbehaving.Answer, boolean]> = [
    ["no such route", Misbehaving.refuse(404), false],
    ["a proxy's page", Misbehaving.html(502), true],
    ["an answer cut off", Misbehaving.cutOff(200), true],
    ["something else", Misbehaving.json(200, { attempts: [{ at: "now" }] }), false],
    ["a connection that is reset", Misbehaving.reset, true]
  ]
  for (const [name, answer, retryable] of broken)
    it.scoped(`is a failure otherwise: ${name}`, () =>
      Effect.gen(function* () {
        const { url } = yield* Misbehaving.make({ attempts: answer })
        const { network } = yield* make(url, open, { network: "embedded" })
        const failure = yield* Effect.flip<unknown, unknown, never>(network?.(0) ?? Effect.void)
        assert.include(failure, { _tag: "SandboxFailure", phase: "run", retryable })
        assert.notInclude(String((failure as { readonly message?: string })?.message), "10.0.0.1")
      })
    )
})
