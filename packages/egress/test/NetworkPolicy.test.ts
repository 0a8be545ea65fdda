import { syncBuiltinESMExports } from "node:module"
import os from "node:os"
import { parseTarget } from "@bulkhead/domain"
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import { flawOfAddress, flawOfName, type NetworkPolicy, wordsOf } from "../src/NetworkPolicy.js"

const ownAddresses = ["8.8.4.5", "2001:4860::5"]
const own = ownAddresses.map((address) => ({ address })) as Array<os.NetworkInterfaceInfo>

beforeAll(() => {
  vi.spyOn(os, "networkInterfaces").mockReturnValue({ own })
  syncBuiltinESMExports()
})
afterAll(() => {
  vi.restoreAllMocks()
  syncBuiltinESMExports()
})

const targets = (...texts: ReadonlyArray<string>) => texts.map((text) => Either.getOrThrow(parseTarget(text)))
const policy = (given: Partial<NetworkPolicy>): NetworkPolicy => ({
  mode: "filtered",
  allow: [],
  deny: [],
  ...given
})
const nowhere = { private: [], ownPorts: [] }
const asked = (kind: "name" | "address", port = 443) => ({ kind, port })

describe("NetworkPolicy", () => {
  it("lets through what is allowed and not denied", () => {
    const some = policy({
      allow: targets("a.example", "*.b.example:443", "8.8.8.0/24"),
      deny: targets("x.b.example", "8.8.8.8")
    })
    assert.isUndefined(flawOfName(some, "a.example", 1))
    assert.isUndefined(flawOfName(some, "c.b.example", 443))
    assert.strictEqual(flawOfName(some, "c.b.example", 80), "not_allowed")
    assert.strictEqual(flawOfName(some, "b.example", 443), "not_allowed")
    assert.strictEqual(flawOfName(some, "x.b.example", 443), "denied")
    assert.isUndefined(flawOfAddress(some, nowhere, "8.8.8.4", asked("address")))
    assert.strictEqual(flawOfAddress(some, nowhere, "8.8.8.8", asked("address")), "denied")
    assert.strictEqual(flawOfAddress(some, nowhere, "8.8.8.8", asked("name")), "denied")
    assert.strictEqual(flawOfAddress(some, nowhere, "8.8.4.4", asked("address")), "not_allowed")
    assert.isUndefined(flawOfAddress(some, nowhere, "8.8.4.4", asked("name")))
  })

  it("never lets an address inside through, unless it is opened, and its own port not even then", () => {
    const all = policy({ mode: "open" })
    const opened = { private: targets("10.0.0.0/8:443", "127.0.0.1"), ownPorts: [3000] }
    assert.isUndefined(flawOfAddress(all, opened, "10.1.2.3", asked("name")))
    assert.strictEqual(flawOfAddress(all, opened, "10.1.2.3", asked("name", 80)), "private_address")
    assert.isUndefined(flawOfAddress(all, opened, "127.0.0.1", asked("address", 80)))
    assert.strictEqual(flawOfAddress(all, opened, "127.0.0.1", asked("address", 3000)), "private_address")
    const inside = fc.oneof(
      fc.ipV4().map((address) => `127.${address.split(".").slice(1).join(".")}`),
      fc.ipV4().map((address) => `10.${address.split(".").slice(1).join(".")}`),
      fc
        .ipV4()
        .map((address) => `::ffff:${address}`)
        .filter((address) => address.startsWith("::ffff:10.")),
      fc.constantFrom(
        "::1",
        "::",
        "0.0.0.0",
        "169.254.169.254",
        "fe80::1",
        "fd00::1",
        "224.0.0.1",
        "100.64.0.1",
        "64:ff9b::1"
      )
    )
    fc.assert(
      fc.property(inside, fc.constantFrom("name" as const, "address" as const), (address, kind) => {
        assert.strictEqual(flawOfAddress(all, nowhere, address, asked(kind)), "private_address")
      })
    )
  })

  it("takes this machine's own addresses for inside, public ones too and however they are written", () => {
    const all = policy({ mode: "open" })
    for (const address of [...ownAddresses, "::ffff:8.8.4.5", "::ffff:808:405", "2001:4860:0:0::5"])
      assert.strictEqual(flawOfAddress(all, nowhere, address, asked("name")), "private_address", address)
    for (const address of ["8.8.4.4", "::ffff:8.8.4.4", "2001:4860::6"])
      assert.isUndefined(flawOfAddress(all, nowhere, address, asked("name")), address)
  })

  it("says what is allowed", () => {
    const words = wordsOf(policy({ allow: targets("pypi.org") }), "evil.example", "not_allowed")
    assert.strictEqual(words, "network policy: evil.example is not allowed (filtered; allowed: pypi.org)")
  })
})
