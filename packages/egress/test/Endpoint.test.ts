import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import * as Endpoint from "../src/Endpoint.js"

const hostOf = (authority: string) => Option.map(Endpoint.parse(authority, 80), ({ host }) => host)

describe("Endpoint", () => {
  it("reads names and addresses in their one form", () => {
    assert.deepStrictEqual(
      Endpoint.parse("PyPI.org:443"),
      Option.some({ kind: "name", host: "pypi.org", port: 443 })
    )
    assert.deepStrictEqual(
      Endpoint.parse("[2001:DB8::1]", 80),
      Option.some({ kind: "address", host: "2001:db8::1", port: 80 })
    )
    assert.deepStrictEqual(
      Endpoint.parse("192.0.2.1:8"),
      Option.some({ kind: "address", host: "192.0.2.1", port: 8 })
    )
  })

  it("refuses every other spelling", () => {
    for (const text of [
      ...[
        "",
        ":80",
        "a.example:",
        "a.example:0",
        "a.example:080",
        "a.example:65536",
        "a.example:-1",
        "a b.example"
      ],
      ...[
        "a.example.",
        ".a.example",
        "a..example",
        "-a.example",
        "a-.example",
        "user@a.example",
        "a.example/b"
      ],
      ...["2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.0.1.", "127.000.000.001"],
      ...["1.2.3", "1.2.3.4.5", "256.0.0.1", "a.example.0x7f", "a.example.1", "::1", "[::ffff:1.2.3.4]"],
      ...[
        "[0:0:0:0:0:0:0:1]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[127.0.0.1]",
        "[a.example]",
        "[::1",
        "::1]"
      ],
      ...["ｅxample.example", "a\0.example", "a\r\n.example", "%61.example", "a。example"]
    ])
      assert.isTrue(Option.isNone(Endpoint.parse(text, 80)), text)
  })

  it("never gives a host that a resolver of the C library could take for a number", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-fA-FxX.]{1,20}$/), (text) => {
        const found = Endpoint.parse(text, 80)
        if (Option.isNone(found)) return
        if (found.value.kind === "address") assert.match(text, /^(\d{1,3}\.){3}\d{1,3}$/)
        else assert.notMatch(found.value.host, /(^|\.)(\d+|0x[0-9a-f]*)$/)
      })
    )
  })

  it("gives what it reads again as the same", () => {
    const text = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
      fc.string()
    )
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
        const found = Endpoint.parse(`${host}:${port}`)
        if (Option.isNone(found)) return
        assert.deepStrictEqual(Endpoint.parse(Endpoint.authorityOf(found.value, 80), 80), found)
        assert.deepStrictEqual(hostOf(host), Option.some(found.value.host))
      })
    )
  })
})
