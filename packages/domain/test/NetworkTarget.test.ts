import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck, Option } from "effect"
import {
  canonicalName,
  coversTarget,
  type Destination,
  matchesTarget,
  mostTargetCharacters,
  type NetworkTarget,
  overlapsTarget,
  parseTarget,
  targetText
} from "../src/index.js"

const target = (text: string) =>
  Either.getOrThrowWith(parseTarget(text), (flaw) => new Error(`${text}: ${flaw}`))

const matches = (text: string, destination: Destination) => matchesTarget(target(text), destination)

/** Few letters and short prefixes, so that what is made often meets. */
const names = FastCheck.array(FastCheck.constantFrom("a", "b", "com"), { minLength: 1, maxLength: 4 }).map(
  (labels) => labels.join(".")
)
const ports = FastCheck.constantFrom(80, 443)
const bytes = FastCheck.constantFrom(0, 1, 128, 255)
const addresses = FastCheck.oneof(
  FastCheck.tuple(bytes, bytes).map(([a, b]) => `203.0.${a}.${b}`),
  FastCheck.tuple(bytes, bytes).map(([a, b]) => `2001:db8::${a.toString(16)}:${b.toString(16)}`)
)
const destinations: FastCheck.Arbitrary<Destination> = FastCheck.oneof(
  FastCheck.record({ name: names, port: ports }),
  FastCheck.record({ address: addresses, port: ports }),
  FastCheck.record({ name: names, address: addresses, port: ports })
)
const hosts = FastCheck.oneof(
  names,
  names.map((name) => `*.${name}`),
  addresses,
  FastCheck.constantFrom(
    "203.0.0.0/16",
    "203.0.1.0/24",
    "203.0.128.0/17",
    "0.0.0.0/0",
    "2001:db8::/32",
    "::/0"
  )
)
const targets: FastCheck.Arbitrary<NetworkTarget> = FastCheck.tuple(hosts, FastCheck.option(ports)).map(
  ([host, port]) =>
    target(port === null ? host : host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)
)

describe("NetworkTarget", () => {
  it("reads names, wildcards, addresses and networks, each with or without a port", () => {
    for (const [text, canonical] of [
      ["PyPI.org.", "pypi.org"],
      ["*.PythonHosted.org:443", "*.pythonhosted.org:443"],
      ["xn--bcher-kva.example", "xn--bcher-kva.example"],
      ["_dmarc.example.com", "_dmarc.example.com"],
      ["registry:5000", "registry:5000"],
      ["203.0.113.7", "203.0.113.7"],
      ["203.0.113.7:8080", "203.0.113.7:8080"],
      ["203.0.113.0/24:443", "203.0.113.0/24:443"],
      ["203.0.113.7/32", "203.0.113.7"],
      ["2001:DB8:0::1", "2001:db8::1"],
      ["[2001:db8::1]", "2001:db8::1"],
      ["[2001:db8::/32]:443", "[2001:db8::/32]:443"],
      ["::ffff:203.0.113.7", "203.0.113.7"],
      ["::ffff:203.0.113.0/120", "203.0.113.0/24"],
      ["0.0.0.0/0", "0.0.0.0/0"]
    ] as const)
      assert.strictEqual(targetText(target(text)), canonical, text)
  })

  it("says what is accepted of everything else", () => {
    for (const [text, word] of [
      ["", "a name"],
      ["*", "a name"],
      ["*.", "a name"],
      ["a.*.com", "a name"],
      ["https://pypi.org", "a name"],
      ["pypi.org/simple", "a name"],
      ["user@pypi.org", "a name"],
      ["-a.com", "a name"],
      ["a..com", "a name"],
      [`${"a".repeat(64)}.com`, "a name"],
      ["bücher.example", "xn--"],
      ["pypi.org:0", "port"],
      ["pypi.org:65536", "port"],
      ["pypi.org:080", "port"],
      ["pypi.org:", "port"],
      ["2130706433", "a name"],
      ["0x7f.1", "a name"],
      ["127.1", "a name"],
      ["0177.0.0.1", "a name"],
      ["1.2.3.4.5", "a name"],
      ["fe80::1%eth0", "a name"],
      ["203.0.113.0/33", "0 to 32"],
      ["203.0.113.0/024", "0 to 32"],
      ["203.0.113.7/24", "203.0.113.0/24"],
      ["2001:db8::/129", "0 to 128"],
      ["2001:db8::1/32", "2001:db8::/32"],
      ["[2001:db8::1", "a name"],
      ["pypi.org\0", "a name"],
      ["pypi.org\n", "a name"],
      ["a".repeat(mostTargetCharacters + 1), "characters"]
    ] as const)
      assert.include(
        Either.getOrElse(Either.flip(parseTarget(text)), () => "taken"),
        word,
        JSON.stringify(text)
      )
  })

  it("takes no text that makes it throw, and what it takes reads the same from its own text", () => {
    const texts = FastCheck.oneof(
      FastCheck.string(),
      FastCheck.fullUnicodeString(),
      FastCheck.stringOf(FastCheck.constantFrom(..."0123456789abcdef.:/[]*%x-"), { maxLength: 40 })
    )
    FastCheck.assert(
      FastCheck.property(texts, (text) => {
        const parsed = parseTarget(text)
        if (Either.isRight(parsed))
          assert.deepStrictEqual(targetText(target(targetText(parsed.right))), targetText(parsed.right))
      }),
      { numRuns: 2000 }
    )
  })

  it("names what is below a wildcard at any depth, and not the name itself", () => {
    assert.isTrue(matches("*.a.com", { name: "b.a.com", port: 1 }))
    assert.isTrue(matches("*.a.com", { name: "c.b.a.com", port: 1 }))
    for (const name of ["a.com", "ba.com", "b.a.com.evil.org"])
      assert.isFalse(matches("*.a.com", { name, port: 1 }))
    assert.isFalse(matches("a.com", { name: "b.a.com", port: 1 }))
    assert.isFalse(matches("a.com:443", { name: "a.com", port: 80 }))
  })

  it("knows an address of IPv4 also where it is written in IPv6", () => {
    assert.isTrue(matches("203.0.113.0/24", { address: "::ffff:203.0.113.7", port: 1 }))
    assert.isFalse(matches("::/0", { address: "::ffff:203.0.113.7", port: 1 }))
    assert.isFalse(matches("0.0.0.0/0", { address: "2001:db8::1", port: 1 }))
  })

  it("takes no address for a name, in whichever spelling", () => {
    for (const text of ["127.0.0.1", "2130706433", "0x7f000001", "0177.1", "a.0x", "::1", "127.0.0.1."])
      assert.isTrue(Option.isNone(canonicalName(text)), text)
    assert.deepStrictEqual(canonicalName("A.Example."), Option.some("a.example"))
  })

  it("covers another target only where it names all that the other does", () => {
    FastCheck.assert(
      FastCheck.property(targets, targets, destinations, (wide, narrow, destination) => {
        if (coversTarget(wide, narrow) && matchesTarget(narrow, destination))
          assert.isTrue(matchesTarget(wide, destination))
      }),
      { numRuns: 5000 }
    )
    for (const [wide, narrow] of [
      ["*.a.com", "*.b.a.com:443"],
      ["203.0.0.0/16", "203.0.1.0/24"],
      ["a.com", "a.com"],
      ["::/0", "2001:db8::1"]
    ] as const)
      assert.isTrue(coversTarget(target(wide), target(narrow)), `${wide} ${narrow}`)
    for (const [wide, narrow] of [
      ["*.a.com", "a.com"],
      ["b.a.com", "*.b.a.com"],
      ["a.com:443", "a.com"],
      ["203.0.1.0/24", "203.0.0.0/16"],
      ["0.0.0.0/0", "a.com"]
    ] as const)
      assert.isFalse(coversTarget(target(wide), target(narrow)), `${wide} ${narrow}`)
  })

  it("overlaps another target wherever both may name the same", () => {
    FastCheck.assert(
      FastCheck.property(targets, targets, destinations, (one, other, destination) => {
        if (matchesTarget(one, destination) && matchesTarget(other, destination))
          assert.isTrue(overlapsTarget(one, other))
      }),
      { numRuns: 5000 }
    )
    assert.isFalse(overlapsTarget(target("a.com"), target("b.com")))
    assert.isFalse(overlapsTarget(target("a.com:80"), target("a.com:443")))
    assert.isFalse(overlapsTarget(target("203.0.1.0/24"), target("203.0.128.0/24")))
  })
})
