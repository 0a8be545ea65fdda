import { describe, expect, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { SecretForms } from "../src/SecretForms.js"

const shown = "<hidden>"
const formsOf = (value: string) => new SecretForms([{ value, shown }])

/** What comes out when the bytes come in pieces of these lengths, and the rest at once. */
const streamed = (forms: SecretForms, bytes: Uint8Array, lengths: ReadonlyArray<number>) => {
  const mask = forms.stream()
  const out: Array<Uint8Array> = []
  let at = 0
  for (const length of lengths) {
    out.push(mask.next(bytes.subarray(at, at + length)))
    at += length
  }
  out.push(mask.next(bytes.subarray(at)), mask.end())
  return Buffer.concat(out)
}

const value = fc.stringMatching(/^[\x21-\x7e]{8,60}$/)
const anything = fc.string({ unit: "binary", maxLength: 40 })
const lengths = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 })

const spellings: ReadonlyArray<readonly [name: string, spell: (value: string) => string]> = [
  ["plain", (text) => text],
  ["a URL", encodeURIComponent],
  ["a form", (text) => new URLSearchParams({ a: text }).toString().slice(2)],
  ["every byte of a URL", (text) => Buffer.from(text).toString("hex").replace(/../g, "%$&")],
  ["JSON", (text) => JSON.stringify(text)],
  ["hex", (text) => Buffer.from(text).toString("hex")],
  ["base64", (text) => Buffer.from(text).toString("base64")],
  ["base64 one on", (text) => Buffer.from(`:${text}!`).toString("base64")],
  ["base64 two on", (text) => Buffer.from(`u:${text}!`).toString("base64")],
  ["base64 of URLs", (text) => Buffer.from(`u:${text}`).toString("base64url")],
  [
    "HTML",
    (text) =>
      text.replace(
        /[&<>"']/g,
        (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c] ?? c
      )
  ],
  ["backwards", (text) => [...text].reverse().join("")]
]

/** Whether the value is there in one of the ways to write it down. */
const shows = (bytes: Uint8Array, secret: string) => formsOf(secret).isIn(Buffer.from(bytes).toString())

describe("SecretForms", () => {
  for (const [name, spell] of spellings)
    it(`masks ${name} wherever chunks end`, () => {
      fc.assert(
        fc.property(value, anything, anything, lengths, (secret, before, after, pieces) => {
          fc.pre(!shown.includes(secret))
          const bytes = Buffer.from(before + spell(secret) + after)
          const out = streamed(formsOf(secret), bytes, pieces)
          expect(out.includes(spell(secret))).toBe(false)
          expect(out.length).toBe(bytes.length)
          expect(out.includes(shown.slice(0, 8))).toBe(true)
          expect(shows(out, secret)).toBe(false)
        })
      )
    })

  it("leaves everything else as it is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), lengths, (bytes, pieces) => {
        const mask = formsOf("sk-live-0123456789")
        expect(streamed(mask, bytes, pieces).equals(Buffer.from(bytes))).toBe(true)
      })
    )
  })

  it("does not hold back what cannot become one", () => {
    const mask = formsOf("sk-live-0123456789").stream()
    expect(mask.next(Buffer.from("data: hello\n\n")).toString()).toBe("data: hello\n\n")
    expect(mask.next(Buffer.from("data: sk-li")).toString()).toBe("data: ")
    expect(mask.next(Buffer.from("ght\n")).toString()).toBe("sk-light\n")
    expect(mask.hasMasked()).toBe(false)
  })

  it("does not look at everything again for each byte that may be a long one's", () => {
    const long = "aB/+&'x ".repeat(1024).trim()
    const looked = (pieces: number) => {
      const mask = formsOf(long).stream()
      const from = performance.now()
      const bytes = Buffer.from(long)
      for (let at = 0; at < pieces; at++) mask.next(bytes.subarray(at, at + 1))
      return performance.now() - from
    }
    looked(500)
    // It took some 30 seconds when all that was held was searched each time.
    expect(looked(long.length - 1)).toBeLessThan(10_000)
  })

  it("finds one that comes byte by byte after beginnings of it", () => {
    const forms = new SecretForms([
      { value: "aaaaaaaab", shown },
      { value: "aaaaabaaaaac", shown }
    ])
    fc.assert(
      fc.property(fc.stringMatching(/^[abc]{0,80}$/), lengths, (text, pieces) => {
        expect(streamed(forms, Buffer.from(text), pieces).includes("aaaaaaaab")).toBe(false)
        expect(streamed(forms, Buffer.from(text), pieces).includes("aaaaabaaaaac")).toBe(false)
      })
    )
  })

  it("finds nothing in what has no form of its own", () => {
    expect(formsOf("").inText("a text")).toBe("a text")
    expect(formsOf("1").inText("a 1 b")).toBe("a < b")
  })

  it("masks the longer of two that begin alike", () => {
    const forms = new SecretForms([
      { value: "abcdefgh", shown: "shown" },
      { value: "abcdefghijkl", shown: "placeholder" }
    ])
    expect(forms.inText("x abcdefghijkl y abcdefgh z")).toBe("x placeholderp y shownsho z")
  })
})
