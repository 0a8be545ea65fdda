import { E2BConfig, type E2BOptions, E2BSandbox, E2BSandboxProvider } from "@bulkhead/e2b"
import { SandboxProvider, type SandboxSecret } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import * as Misbehaving from "./Misbehaving.js"

const secret: SandboxSecret = {
  name: "KEY",
  value: Redacted.make("sk-0123456789"),
  placeholder: "bulkhead_secret_0",
  hosts: ["api.a.com", "api.b.com"],
  header: { name: "Authorization", form: "Bearer {}" }
}

const apiKey = Redacted.make("e2b_key")

/** What a create says of the network. */
const saidOf = (
  secrets: ReadonlyArray<SandboxSecret>,
  mode: "open" | "filtered",
  options: Partial<E2BOptions> = {}
) =>
  Effect.gen(function* () {
    const { bodies, url } = yield* Misbehaving.make()
    yield* Effect.provide(
      E2BSandbox.create({
        ...{ metadata: {}, lifetime: Duration.seconds(60), secrets },
        network: { mode, allow: mode === "filtered" ? ["api.a.com"] : [], deny: [] }
      }),
      E2BConfig.layer({ apiKey, apiUrl: url, sandboxUrl: url, ...options })
    )
    return JSON.parse(bodies.create[0] ?? "{}").network
  })

describe("secrets on the wire", () => {
  it.scoped("are E2B's own transforms there", () =>
    Effect.gen(function* () {
      const rule = [{ transform: { headers: { Authorization: "Bearer sk-0123456789" } } }]
      const rules = { "api.a.com": rule, "api.b.com": rule }
      assert.deepStrictEqual(yield* saidOf([secret], "open"), { rules })
      assert.deepStrictEqual(yield* saidOf([secret], "filtered"), {
        ...{ allowOut: ["api.a.com"], denyOut: ["0.0.0.0/0"] },
        rules
      })
    })
  )

  it.scoped("have their placeholders for the embedded host", () =>
    Effect.gen(function* () {
      const { header: _, ...plain } = secret
      const { rules } = yield* saidOf([{ ...plain, hosts: ["api.a.com:8443"] }], "open", {
        network: "embedded"
      })
      assert.deepStrictEqual(rules, {
        "api.a.com:8443": [
          {
            transform: {
              secrets: [{ name: "KEY", placeholder: "bulkhead_secret_0", value: "sk-0123456789" }]
            }
          }
        ]
      })
    })
  )
})

describe("secrets that an endpoint cannot keep", () => {
  const { header: _, ...withoutHeader } = secret
  const cases: ReadonlyArray<readonly [string, E2BOptions["network"], SandboxSecret, string | undefined]> = [
    ["on E2B", "e2b", secret, undefined],
    ["without a header on E2B", "e2b", withoutHeader, "secrets.KEY.header: expected one"],
    ["with a port on E2B", "e2b", { ...secret, hosts: ["a.com:1"] }, "secrets.KEY.hosts: expected hosts"],
    ["without a header on the embedded host", "embedded", withoutHeader, undefined],
    ["without a network", "none", secret, "secrets: expected none"]
  ]
  for (const [what, network, asked, flaw] of cases)
    it.effect(`are told of: ${what}`, () =>
      Effect.gen(function* () {
        const { secrets } = yield* SandboxProvider
        const found = secrets?.flawOf([asked])
        if (flaw === undefined) assert.isUndefined(found)
        else assert.include(found, flaw)
      }).pipe(Effect.provide(E2BSandboxProvider.layer({ apiKey, ...(network && { network }) })))
    )
})
