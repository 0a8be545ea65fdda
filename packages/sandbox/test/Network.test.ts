import type {
  ExecutionRequestInput,
  LimitValues,
  NetworkAttempt,
  NetworkPolicy,
  NetworkReport
} from "@bulkhead/domain"
import { Limits, NetworkRules, SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { settle } from "./Fixture.js"

const { MockSandboxes } = MockSandboxProvider

const bound: NetworkPolicy = { mode: "filtered", allow: ["pypi.org", "*.a.com"], deny: ["b.a.com"] }

interface Setting {
  readonly rules?: Partial<NetworkRules["Type"]>
  readonly behaviour?: Partial<MockSandboxProvider.MockBehaviour>
  readonly limits?: Partial<LimitValues>
  /** Of the provider. */
  readonly flawOf?: (policy: NetworkPolicy) => string | undefined
}

const having = ({ behaviour = {}, flawOf = () => undefined, limits = {}, rules = { bound } }: Setting = {}) =>
  Effect.provide(
    SandboxService.layerMemory.pipe(
      Layer.provide(Limits.layer(limits)),
      Layer.provide(Layer.succeed(NetworkRules, { ofUsers: new Map(), ...rules })),
      Layer.provideMerge(MockSandboxProvider.layer(behaviour, { network: { defaultMode: "off", flawOf } }))
    )
  )

const execute = (network?: ExecutionRequestInput["network"], userId = "ann") =>
  Effect.flatMap(SandboxService, ({ execute }) => execute({ code: "print(1)", userId, network }))

const created = Effect.flatMap(MockSandboxes, ({ created }) => created)

const ownNetworks = Effect.map(created, (all) =>
  all
    .filter(({ commands }) => commands.length > 0)
    .filter(({ options }) => options.metadata.purpose !== "toolchain")
    .map(({ options }) => options.network)
)

const attempt = (name: string, decision: "allowed" | "denied"): NetworkAttempt => ({
  at: 7,
  protocol: "connect",
  name,
  port: 443,
  decision,
  ...(decision === "denied" && { reason: "not_allowed" })
})

const telling =
  (...attempts: ReadonlyArray<NetworkAttempt>) =>
  (from: number): Effect.Effect<NetworkReport> =>
    Effect.succeed({
      attempts: attempts.slice(from),
      next: attempts.length,
      use: { connections: 2, denied: 1, sentBytes: 10, receivedBytes: 20, missed: 0 }
    })

const failing: MockSandboxProvider.MockBehaviour["program"] = ({ stderr }) =>
  Effect.as(stderr("curl: (6) Could not resolve host: pypi.org\n"), { exitCode: 6 })

describe("the network policy", () => {
  it.effect(
    "is what the operator allows, narrowed by the request, in the sandbox, the result and the log",
    () =>
      Effect.gen(function* () {
        const wide = yield* execute()
        const narrow = yield* execute({ allow: ["PyPI.org"], deny: ["9.0.0.0/8"] })
        const own: NetworkPolicy = { mode: "filtered", allow: ["pypi.org"], deny: ["b.a.com", "9.0.0.0/8"] }
        assert.deepStrictEqual([wide.network, narrow.network], [bound, own])
        assert.deepStrictEqual(yield* ownNetworks, [bound, own])
        const { getLogs, network } = yield* SandboxService
        assert.deepStrictEqual(network, bound)
        const started = (yield* getLogs(narrow.executionId)).find(
          ({ event }) => event === "execution_started"
        )
        assert.deepStrictEqual(started?.data?.network, own)
      }).pipe(having())
  )

  it.effect("is off in the sandbox that is looked into", () =>
    Effect.gen(function* () {
      yield* execute()
      const look = (yield* created).find(({ options }) => options.metadata.purpose === "toolchain")
      assert.strictEqual(look?.options.network?.mode, "off")
    }).pipe(having())
  )

  it.effect("narrows by user too", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* execute()).network?.mode, "off")
      assert.strictEqual((yield* execute(undefined, "bob")).network?.mode, "filtered")
      assert.include(yield* Effect.flip(execute({ allow: ["pypi.org"] })), {
        _tag: "PolicyRefused",
        field: "network.allow"
      })
    }).pipe(having({ rules: { bound, ofUsers: new Map([["ann", { mode: "off" }]]) } }))
  )

  it.effect("is refused before any sandbox where it asks for more, and nothing is logged of it", () =>
    Effect.gen(function* () {
      for (const [network, field] of [
        [{ mode: "open" }, "network.mode"],
        [{ allow: ["pypi.org", "evil.example"] }, "network.allow.1"],
        [{ allow: ["b.a.com"] }, "network.allow.0"]
      ] as const) {
        const refusal = yield* Effect.flip(execute(network))
        assert.include(refusal, { _tag: "PolicyRefused", field })
        assert.isTrue(refusal.message.startsWith(`${field}: expected `), refusal.message)
      }
      assert.deepStrictEqual(yield* created, [])
    }).pipe(having())
  )

  it.effect("is malformed with the field's name and what it takes", () =>
    Effect.gen(function* () {
      for (const [network, field] of [
        [{ allow: ["a.com", "https://a.com"] }, "network.allow.1"],
        [{ deny: ["9.0.0.1/8"] }, "network.deny.0"],
        [{ mode: "off", allow: ["a.com"] }, "network.allow"],
        [{ mode: "closed" as "off" }, "network.mode"],
        [{ allow: Array.from({ length: 65 }, () => "a.com") }, "network.allow"],
        [{ deny: Array.from({ length: 1_000_000 }, () => "?") }, "network.deny"]
      ] as const) {
        const refusal = yield* Effect.flip(execute(network))
        assert.include(refusal, { _tag: "InvalidRequest", field }, field)
        assert.include(refusal.message, "expected", field)
      }
    }).pipe(having())
  )

  it.effect("is refused with the provider's reason where that cannot hold a sandbox to it", () =>
    Effect.gen(function* () {
      const refusal = yield* Effect.flip(execute({ deny: ["evil.example"] }))
      assert.include(refusal, { _tag: "PolicyRefused", message: "network: expected no names" })
      assert.isTrue((yield* execute()).success)
    }).pipe(
      having({ flawOf: ({ deny }) => (deny.includes("evil.example") ? "expected no names" : undefined) })
    )
  )

  it.effect("cannot be asked for where the provider knows none", () =>
    Effect.gen(function* () {
      assert.notProperty(yield* execute(), "network")
      assert.include(yield* Effect.flip(execute({ mode: "off" })), {
        _tag: "PolicyRefused",
        field: "network"
      })
    }).pipe(
      Effect.provide(
        SandboxService.layerMemory.pipe(
          Layer.provide(Limits.layer()),
          Layer.provideMerge(MockSandboxProvider.layer())
        )
      )
    )
  )

  it.effect("of a sandbox from the pool is the usual one; another gets a sandbox of its own", () =>
    Effect.gen(function* () {
      yield* execute()
      yield* settle
      const { getSystemMetrics } = yield* SandboxService
      const { hits } = (yield* getSystemMetrics).pool
      yield* execute({ mode: "off" })
      yield* execute({ allow: ["pypi.org"] })
      assert.strictEqual((yield* getSystemMetrics).pool.hits, hits)
      yield* execute()
      assert.strictEqual((yield* getSystemMetrics).pool.hits, hits + 1)
      assert.deepStrictEqual(
        (yield* ownNetworks).map((network) => network && [network.mode, network.allow.length]),
        [
          ["filtered", 2],
          ["filtered", 2],
          ["off", 0],
          ["filtered", 1]
        ]
      )
      const pooled = (yield* created).filter(({ options }) => options.metadata.purpose === "pool")
      assert.isTrue(pooled.every(({ options }) => options.network?.mode === "filtered"))
    }).pipe(having({ limits: { poolMin: 1, poolMax: 1 } }))
  )

  it.effect("tells of each attempt in the log, of the use in the metrics, and of refusals in a hint", () =>
    Effect.gen(function* () {
      const result = yield* execute()
      assert.deepStrictEqual(result.metrics.network, {
        connections: 2,
        denied: 1,
        sentBytes: 10,
        receivedBytes: 20
      })
      assert.deepStrictEqual(result.hints, [
        "The network policy refused evil\\u{a}.example:443 (not_allowed). In force: filtered; allowed: pypi.org, *.a.com; denied: b.a.com."
      ])
      const { getLogs } = yield* SandboxService
      const events = (yield* getLogs(result.executionId)).filter(({ event }) => event.startsWith("network_"))
      assert.deepStrictEqual(
        events.map(({ data, event }) => [event, data?.name, data?.port, data?.reason]),
        [
          ["network_allowed", "pypi.org", 443, undefined],
          ["network_denied", "evil\\u{a}.example", 443, "not_allowed"]
        ]
      )
    }).pipe(
      having({
        behaviour: { network: telling(attempt("pypi.org", "allowed"), attempt("evil\n.example", "denied")) }
      })
    )
  )

  it.effect("has no more than 200 events of one program", () =>
    Effect.gen(function* () {
      const { executionId } = yield* execute()
      const { getLogs } = yield* SandboxService
      const events = (yield* getLogs(executionId)).filter(({ event }) => event.startsWith("network_"))
      assert.strictEqual(events.length, 200)
    }).pipe(
      having({
        behaviour: { network: telling(...Array.from({ length: 900 }, () => attempt("pypi.org", "allowed"))) }
      })
    )
  )

  it.effect("does not hold a result up when nobody tells of attempts", () =>
    Effect.gen(function* () {
      const result = yield* execute()
      assert.isTrue(result.success)
      assert.notProperty(result.metrics, "network")
    }).pipe(
      having({
        behaviour: { network: () => Effect.fail(MockSandboxProvider.failure("INTERNAL_ERROR", "run", false)) }
      })
    )
  )

  it.effect("is named where a program fails for want of a network", () =>
    Effect.gen(function* () {
      const { hints } = yield* execute({ mode: "off" })
      assert.deepStrictEqual(hints, [
        "By its last words the program found no way into the network. The network policy in force: off."
      ])
    }).pipe(having({ behaviour: { program: failing } }))
  )
})
