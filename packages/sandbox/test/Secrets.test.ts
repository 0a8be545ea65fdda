import {
  type ExecutionRequestInput,
  type NetworkAttempt,
  type NetworkPolicy,
  OwnSecret,
  UserId
} from "@bulkhead/domain"
import { SecretForms } from "@bulkhead/masking"
import {
  KeptSecrets,
  Limits,
  NetworkRules,
  SandboxFailure,
  type SandboxSecret,
  SandboxService,
  type SecretControl
} from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Metric, Redacted, Schema, TestClock } from "effect"
import * as Secrets from "../src/Execution/Secrets.js"
import { secretUses } from "../src/Instruments/ExecutionInstruments.js"
import { settle } from "./Fixture.js"

const { MockSandboxes } = MockSandboxProvider

const value = "sk-0123456789/+abcdef"
const own = { value, hosts: ["API.example.com"] }

const kept = Schema.decodeSync(OwnSecret)({ value: "kept-by-the-operator", hosts: ["a.com"] })

interface Setting {
  readonly behaviour?: Partial<MockSandboxProvider.MockBehaviour>
  readonly bound?: NetworkPolicy
  readonly control?: SecretControl | undefined
}

const open: NetworkPolicy = { mode: "open", allow: [], deny: [] }

const having = ({ behaviour = {}, bound = open, ...setting }: Setting = {}) => {
  const control = "control" in setting ? setting.control : { flawOf: () => undefined }
  return Effect.provide(
    SandboxService.layerMemory.pipe(
      Layer.provide(Limits.layer({ maxRetries: 1 })),
      Layer.provide(Layer.succeed(NetworkRules, { bound, ofUsers: new Map() })),
      Layer.provide(
        Layer.succeed(KeptSecrets, {
          find: (userId, name) => (userId === "ann" && name === "ours" ? kept : undefined)
        })
      ),
      Layer.provideMerge(
        MockSandboxProvider.layer(behaviour, {
          network: { defaultMode: "open", flawOf: () => undefined },
          ...(control && { secrets: control })
        })
      )
    )
  )
}

const execute = (request: Partial<ExecutionRequestInput>, userId = "ann") =>
  Effect.flatMap(SandboxService, ({ execute }) =>
    execute({ code: "print(1)", ...request }, { userId: UserId.make(userId) })
  )

const refusal = (request: Partial<ExecutionRequestInput>, userId?: string) =>
  Effect.map(Effect.flip(execute(request, userId)), ({ _tag, message }) => ({ _tag, message }))

/** The secrets of the sandbox that a program ran in. */
const given = Effect.map(
  Effect.flatMap(MockSandboxes, ({ created }) => created),
  (all) => all.flatMap(({ options }): ReadonlyArray<SandboxSecret> => options.secrets ?? [])
)

/** A program that writes what it finds in its environment, and what somebody told it. */
const telling =
  (...texts: ReadonlyArray<string>): MockSandboxProvider.MockBehaviour["program"] =>
  ({ command, stderr, stdout }) =>
    Effect.gen(function* () {
      yield* stdout(`${command.env.KEY ?? command.env.BULKHEAD_ENV}\n`)
      yield* Effect.forEach(texts, stdout)
      yield* stderr(`error: ${texts.join("")}\n`)
      return { exitCode: 0 }
    })

describe("an execution's secrets", () => {
  it.effect("are placeholders in the program's environment, another one each time", () =>
    Effect.gen(function* () {
      const one = yield* execute({ secrets: { KEY: own } })
      const other = yield* execute({ secrets: { KEY: own } })
      const [first, second] = yield* given
      assert.match(first?.placeholder ?? "", /^bulkhead_secret_[0-9a-f]{32}$/)
      assert.notStrictEqual(first?.placeholder, second?.placeholder)
      assert.include(one.stdout, `KEY=${first?.placeholder}`)
      assert.include(other.stdout, `KEY=${second?.placeholder}`)
      assert.deepStrictEqual(first?.hosts, ["api.example.com"])
      assert.strictEqual(Redacted.value(first?.value ?? Redacted.make("")), value)
    }).pipe(having({ behaviour: { program: telling() } }))
  )

  it.effect("are masked in what the program writes, also in pieces, and in what is kept of it", () =>
    Effect.gen(function* () {
      const { getLogs, getExecution } = yield* SandboxService
      const result = yield* execute({ secrets: { KEY: own } })
      const found = yield* getExecution(result.executionId)
      const all = JSON.stringify([result, found, yield* getLogs(result.executionId)])
      assert.notInclude(all, value)
      assert.notInclude(all, Buffer.from(value).toString("base64").slice(0, -4))
      assert.include(result.stdout, "end")
    }).pipe(
      having({
        behaviour: { program: telling(value.slice(0, 5), value.slice(5), " ", btoa(value), " end") }
      })
    )
  )

  it.effect("are masked in the names that the program connects to, in the log too", () =>
    Effect.gen(function* () {
      const { getLogs } = yield* SandboxService
      const result = yield* execute({ secrets: { KEY: own } })
      const logs = yield* getLogs(result.executionId)
      assert.deepStrictEqual(
        logs.map(({ event }) => event).filter((event) => event.startsWith("network_")),
        ["network_allowed", "network_denied"]
      )
      assert.notInclude(JSON.stringify([result, logs]), value)
    }).pipe(
      having({
        behaviour: {
          network: (from) =>
            Effect.succeed({
              attempts: (["allowed", "denied"] as const)
                .map((decision) => ({
                  ...{ at: 7, protocol: "connect" as const, port: 443, decision },
                  name: `${value}.example`
                }))
                .slice(from),
              next: 2,
              use: { connections: 1, denied: 1, sentBytes: 0, receivedBytes: 0, missed: 0 }
            })
        }
      })
    )
  )

  it.effect("are masked in failures", () =>
    Effect.gen(function* () {
      const { getLogs } = yield* SandboxService
      const running = yield* Effect.fork(execute({ secrets: { KEY: own } }))
      yield* settle
      yield* TestClock.adjust("60 seconds")
      const result = yield* Fiber.join(running)
      assert.strictEqual(result.error?.code, "MAX_RETRIES_EXCEEDED")
      assert.include(result.error?.message, "bad header bulkhead_secret")
      assert.notInclude(JSON.stringify([result, yield* getLogs(result.executionId)]), value)
    }).pipe(
      having({
        behaviour: {
          create: (earlier) =>
            earlier === 0
              ? Effect.void
              : new SandboxFailure({
                  ...{ code: "ECONNRESET", phase: "create", retryable: true },
                  message: `bad header ${value}`
                })
        }
      })
    )
  )

  it.effect("that the operator keeps may be named by those who may have them", () =>
    Effect.gen(function* () {
      yield* execute({ secrets: { KEY: { name: "ours" } } })
      const [secret] = yield* given
      assert.deepStrictEqual(secret?.hosts, ["a.com"])
      for (const [name, userId] of [
        ["ours", "bob"],
        ["others", "ann"]
      ] as const)
        assert.deepStrictEqual(yield* refusal({ secrets: { KEY: { name } } }, userId), {
          _tag: "InvalidRequest",
          message: "secrets.KEY.name: expected the name of a secret that is kept for this user"
        })
    }).pipe(having())
  )

  it.effect("are refused where there is too much of them to look for", () =>
    Effect.gen(function* () {
      const large = { value: "v".repeat(8192), hosts: ["a.com"] }
      assert.deepStrictEqual(yield* refusal({ secrets: { A: large, B: large, C: own } }), {
        _tag: "InvalidRequest",
        message: "secrets: expected values of at most 16384 characters in all"
      })
      yield* execute({ secrets: { A: large, B: large } })
    }).pipe(having())
  )

  it.effect("are refused under a name that env has too", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal({ env: { KEY: "1" }, secrets: { KEY: own } }), {
        message: "secrets.KEY: expected a name that is not in env too"
      })
    }).pipe(having())
  )

  it.effect("are refused where sandboxes would give them away, before anybody waits", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal({ secrets: { KEY: own } }), { _tag: "PolicyRefused" })
      assert.deepStrictEqual(yield* given, [])
    }).pipe(having({ control: undefined }))
  )

  it.effect("are refused with the provider's reason", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusal({ secrets: { KEY: own } }), {
        _tag: "PolicyRefused",
        message: "secrets.KEY.header: expected one"
      })
    }).pipe(having({ control: { flawOf: () => "secrets.KEY.header: expected one" } }))
  )

  it.effect("are refused where the network policy does not allow their hosts", () =>
    Effect.gen(function* () {
      const expected = "secrets.KEY.hosts: expected hosts that the network policy allows, not api.example.com"
      assert.include(yield* refusal({ secrets: { KEY: own } }), { message: expected })
      assert.include(yield* refusal({ secrets: { KEY: own }, network: { mode: "off" } }), {
        message: expected
      })
    }).pipe(having({ bound: { mode: "filtered", allow: ["a.com"], deny: [] } }))
  )

  it.effect("bring their hosts along where a request says what it may connect to", () =>
    Effect.gen(function* () {
      const { network } = yield* execute({ secrets: { KEY: own }, network: { allow: ["pypi.org"] } })
      assert.deepStrictEqual(network?.allow, ["pypi.org", "api.example.com"])
    }).pipe(having())
  )

  it.effect("tell that they were used, and where", () =>
    Effect.gen(function* () {
      const { getLogs } = yield* SandboxService
      const before = yield* Metric.value(secretUses)
      const { executionId } = yield* execute({ secrets: { KEY: own } })
      assert.strictEqual((yield* Metric.value(secretUses)).count, before.count + 1)
      const used = (yield* getLogs(executionId)).filter(({ event }) => event === "secret_used")
      assert.deepStrictEqual(
        used.map(({ data, message }) => [message, data]),
        [
          [
            "Secret KEY used at api.example.com:443",
            { at: 7, secret: "KEY", name: "api.example.com", port: 443 }
          ]
        ]
      )
    }).pipe(
      having({
        behaviour: {
          network: (from) =>
            Effect.succeed({
              attempts: [
                {
                  ...{ at: 7, protocol: "connect", name: "api.example.com", port: 443 },
                  ...{ decision: "allowed", secret: "KEY" }
                } satisfies NetworkAttempt
              ].slice(from),
              next: 1,
              use: { connections: 1, denied: 0, sentBytes: 1, receivedBytes: 1, missed: 0 }
            })
        }
      })
    )
  )

  it.effect("tell requests with one key apart, without being kept", () =>
    Effect.gen(function* () {
      const asked = (secret: object) => ({ idempotencyKey: "one", secrets: { KEY: secret } as never })
      const first = yield* execute(asked(own))
      assert.deepStrictEqual(yield* execute(asked(own)), first)
      assert.include(yield* refusal(asked({ ...own, value: `${value}x` })), { _tag: "IdempotencyConflict" })
      assert.include(yield* refusal(asked({ ...own, hosts: ["b.com"] })), { _tag: "IdempotencyConflict" })
      assert.include(yield* refusal({ idempotencyKey: "one" }), { _tag: "IdempotencyConflict" })
    }).pipe(having())
  )
})

describe("what stands for secrets", () => {
  it("cannot be made without the key", () => {
    const secrets = { KEY: { value: Redacted.make(value), hosts: ["a.com"] } }
    const [one, other] = [1, 2].map((byte) =>
      JSON.stringify(Secrets.identityOf(secrets, new Uint8Array(32).fill(byte)))
    )
    assert.notStrictEqual(one, other)
    assert.notInclude(one, value)
  })

  it("masks names too, however deep", () => {
    const forms = new SecretForms([{ value, shown: "hidden" }])
    const masked = JSON.stringify(Secrets.masked({ secrets: [], forms }, { a: [{ [value]: `x${value}` }] }))
    assert.notInclude(masked, value)
  })
})
