import { type Network, parseNetwork } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { flawOf } from "../src/Target.js"

const networks = (...texts: ReadonlyArray<string>): ReadonlyArray<Network> =>
  texts.map((text) => Option.getOrThrow(parseNetwork(text)))

describe("A URL", () => {
  const refused: ReadonlyArray<readonly [string, RegExp]> = [
    ["http://127.0.0.1/", /public address/],
    ["http://127.1/", /public address/],
    ["http://2130706433/", /public address/],
    ["http://0x7f000001/", /public address/],
    ["http://0177.0.0.1/", /public address/],
    ["http://[::1]:8080/", /public address/],
    ["http://[::ffff:127.0.0.1]/", /public address/],
    ["http://[::ffff:a9fe:a9fe]/", /public address/],
    ["http://169.254.169.254/latest/meta-data", /public address/],
    ["http://localhost:9000/", /public address/],
    ["http://a.localhost./", /public address/],
    ["http://１２７.0.0.1/", /public address/],
    ["http://example.com:25/", /port/],
    ["http://example.com:22/", /port/],
    ["ftp://example.com/", /http/],
    ["file:///etc/passwd", /http/],
    ["http://user:secret@example.com/", /user name/],
    ["http://", /expected a URL/],
    ["http://exa mple.com/", /expected a URL/]
  ]

  for (const [url, why] of refused)
    it(`is refused: ${url}`, () => assert.match(flawOf(url, []) ?? "nothing is wrong", why))

  it("may be sent to where its address is public, or where it is a name that is looked up later", () => {
    for (const url of [
      "https://example.com/a?b=c",
      "http://1.1.1.1/",
      "https://[2606:4700::1111]/",
      "http://example.com:8080"
    ])
      assert.isUndefined(flawOf(url, []), url)
    assert.isUndefined(flawOf("http://127.0.0.1:9000/", networks("127.0.0.0/8")))
    assert.isUndefined(flawOf("http://localhost:9000/", networks("127.0.0.0/8")))
  })
})
