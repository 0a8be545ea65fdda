import {
  type Destination,
  matchesTarget,
  type NetworkPolicy,
  type NetworkRequest,
  parseTarget
} from "@bulkhead/domain"
import { describePolicy, narrow } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Either, FastCheck } from "effect"

const open: NetworkPolicy = { mode: "open", allow: [], deny: [] }
const off: NetworkPolicy = { mode: "off", allow: [], deny: [] }
const filtered = (...allow: ReadonlyArray<string>): NetworkPolicy => ({ mode: "filtered", allow, deny: [] })

const fieldOf = (bound: NetworkPolicy, asked: NetworkRequest) =>
  Either.match(narrow(bound, asked), { onLeft: ({ field }) => field, onRight: () => "nothing" })

/** Whether a policy lets a program connect somewhere. */
const lets = ({ allow, deny, mode }: NetworkPolicy, destination: Destination) => {
  const names = (texts: ReadonlyArray<string>) =>
    Arr.getRights(texts.map(parseTarget)).some((target) => matchesTarget(target, destination))
  return mode !== "off" && !names(deny) && (mode === "open" || names(allow))
}

const targets = FastCheck.constantFrom(
  "a.com",
  "*.a.com",
  "b.a.com",
  "b.a.com:443",
  "*.com:443",
  "9.0.0.0/8",
  "9.1.0.0/16",
  "9.1.1.1",
  "9.1.1.1:80",
  "0.0.0.0/0"
)
const lists = FastCheck.array(targets, { maxLength: 4 })
const modes = FastCheck.constantFrom("off" as const, "filtered" as const, "open" as const)
const bounds = FastCheck.record({ mode: modes, allow: lists, deny: lists })
const requests: FastCheck.Arbitrary<NetworkRequest> = FastCheck.record(
  { mode: modes, allow: lists, deny: lists },
  { requiredKeys: [] }
)
const destinations: FastCheck.Arbitrary<Destination> = FastCheck.record(
  {
    name: FastCheck.constantFrom("a.com", "b.a.com", "c.b.a.com", "com", "x.org"),
    address: FastCheck.constantFrom("9.1.1.1", "9.1.2.3", "9.9.9.9", "8.8.8.8"),
    port: FastCheck.constantFrom(80, 443, 8080)
  },
  { requiredKeys: ["port"] }
)

describe("NetworkRules.narrow", () => {
  it("lets nothing through that the bound does not, nor what the request denies", () => {
    FastCheck.assert(
      FastCheck.property(bounds, requests, destinations, (bound, asked, destination) => {
        const policy = narrow(bound, asked)
        if (Either.isLeft(policy) || !lets(policy.right, destination)) return
        assert.isTrue(lets(bound, destination))
        assert.isTrue(lets({ mode: "open", allow: [], deny: asked.deny ?? [] }, destination))
        assert.isTrue(
          asked.mode === "open" ||
            asked.allow === undefined ||
            lets({ ...open, mode: "filtered", allow: asked.allow }, destination)
        )
      }),
      { numRuns: 10_000 }
    )
  })

  it("gives what the operator allows where nothing is asked for", () => {
    assert.deepStrictEqual(narrow(open, {}), Either.right(open))
    assert.deepStrictEqual(narrow(off, {}), Either.right(off))
    assert.deepStrictEqual(narrow(filtered("a.com"), {}), Either.right(filtered("a.com")))
  })

  it("takes a list for the mode filtered, in one form", () => {
    assert.deepStrictEqual(
      narrow(open, { allow: ["A.com.", "a.com", "9.1.1.1/32"] }),
      Either.right(filtered("a.com", "9.1.1.1"))
    )
    assert.deepStrictEqual(narrow(filtered("*.a.com"), { allow: [] }), Either.right(filtered()))
  })

  it("keeps what the operator denies, and adds what the request does", () => {
    const bound = { ...open, deny: ["9.0.0.0/8"] }
    assert.deepStrictEqual(
      narrow(bound, { deny: ["a.com"] }),
      Either.right({ ...open, deny: ["9.0.0.0/8", "a.com"] })
    )
    assert.strictEqual(fieldOf(bound, { allow: ["a.com", "9.1.1.1"] }), "allow.1")
  })

  it("names the field that asks for more", () => {
    assert.strictEqual(fieldOf(off, { mode: "open" }), "mode")
    assert.strictEqual(fieldOf(off, { mode: "filtered", allow: ["a.com"] }), "mode")
    assert.strictEqual(fieldOf(off, { allow: ["a.com"] }), "allow")
    assert.strictEqual(fieldOf(filtered("a.com"), { mode: "open" }), "mode")
    assert.strictEqual(fieldOf(filtered("a.com"), { allow: ["a.com", "b.a.com"] }), "allow.1")
    assert.strictEqual(fieldOf(filtered("a.com:443"), { allow: ["a.com"] }), "allow.0")
    assert.strictEqual(fieldOf(open, { mode: "filtered" }), "allow")
    assert.strictEqual(fieldOf(filtered("a.com"), { mode: "off" }), "nothing")
  })

  it("says a policy in words", () => {
    assert.strictEqual(describePolicy(off), "off")
    assert.strictEqual(describePolicy(filtered("a.com", "b.com")), "filtered; allowed: a.com, b.com")
    assert.strictEqual(describePolicy({ ...open, deny: ["9.0.0.0/8"] }), "open; denied: 9.0.0.0/8")
  })
})
