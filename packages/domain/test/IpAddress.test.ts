import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { isAllowed, isPublic, type Network, parseNetwork } from "../src/index.js"

const networks = (...texts: ReadonlyArray<string>): ReadonlyArray<Network> =>
  texts.map((text) => Option.getOrThrow(parseNetwork(text)))

const inside = [
  "127.0.0.1",
  "127.255.255.254",
  "0.0.0.0",
  "0.1.2.3",
  "10.0.0.1",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "192.0.2.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::ffff:10.0.0.1",
  "::ffff:169.254.169.254",
  "::ffff:0:127.0.0.1",
  "64:ff9b::7f00:1",
  "64:ff9b::a9fe:a9fe",
  "64:ff9b:1::a00:1",
  "2002:7f00:1::",
  "2002:a9fe:a9fe::1",
  "2001:0:7f00:1::",
  "2001:db8::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fec0::1",
  "ff02::1",
  "100::1",
  "4000::1",
  "not an address",
  "example.com",
  ""
]

const outside = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00:1450::1"]

describe("Networks", () => {
  it("take no address inside for a public one", () => {
    assert.deepStrictEqual(inside.filter(isPublic), [])
  })

  it("take those of the Internet for public ones", () => {
    assert.deepStrictEqual(outside.filter(isPublic), outside)
  })

  it("let those through that are allowed, and no others", () => {
    const allowed = networks("10.1.0.0/16", "::1", "192.168.7.7")
    const all = [...inside, "10.1.2.3", "192.168.7.7", "192.168.7.8", "::ffff:10.1.2.3"]
    assert.sameMembers(
      all.filter((address) => isAllowed(address, allowed)),
      ["10.1.2.3", "192.168.7.7", "::ffff:10.1.2.3", "::1"]
    )
  })

  it("are read from their usual form, and from no other", () => {
    for (const text of ["10.0.0.0/8", "fd00::/8", "127.0.0.1", "::1", "0.0.0.0/0"])
      assert.isTrue(Option.isSome(parseNetwork(text)), text)
    for (const text of ["", "10.0.0.0/33", "10.0.0", "0x7f.0.0.1", "all", "10.0.0.0/8/8", "example.com"])
      assert.isTrue(Option.isNone(parseNetwork(text)), text)
  })
})
