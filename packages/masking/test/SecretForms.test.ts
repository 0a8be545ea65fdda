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

/** More than one line of base64. */
const before = "what comes before it fills a line of base64 or of hex, and some of the next one: "
const inLines = (text: string, width: number, end: string) =>
  (text.match(new RegExp(`.{1,${width}}`, "g")) ?? []).join(end)
const byteByByte = (text: string, prefix: string, between: string) =>
  [...Buffer.from(text)].map((byte) => `${prefix}${byte.toString(16)}`).join(between)

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
  ["base64 in lines", (text) => inLines(Buffer.from(`${before}${text}!`).toString("base64"), 76, "\n")],
  ["base64 in short lines", (text) => inLines(Buffer.from(before + text).toString("base64"), 60, "\r\n")],
  [
    "base64 in lines within JSON",
    (text) => inLines(Buffer.from(before + text).toString("base64"), 64, "\\n")
  ],
  ["hex in lines", (text) => inLines(Buffer.from(before + text).toString("hex"), 60, "\n")],
  ["hex with colons", (text) => byteByByte(text, "", ":")],
  ["hex with blanks", (text) => byteByByte(text, "", " ").toUpperCase()],
  ["escapes of a program's", (text) => byteByByte(text, "\\x", "")],
  ["numbers in JSON", (text) => byteByByte(text, "\\u00", "")],
  ["numbers in HTML", (text) => byteByByte(text, "&#x", ";")],
  [
    "JSON of .NET",
    (text) =>
      text
        .replaceAll("\\", "\\\\")
        .replace(/["&'+<>`]/g, (c) => `\\u00${c.charCodeAt(0).toString(16).toUpperCase()}`)
  ],
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
        }),
        { numRuns: 50 }
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

  it("leaves lines as they are, whatever their ends", () => {
    const line = "0123456789abcdefABCDEF+/=".repeat(2)
    const piece = fc.constantFrom(
      line,
      line.slice(0, 9),
      "\n",
      "\r\n",
      "\r",
      "\\n",
      "\\r\\n",
      "\\",
      "\\r",
      " ",
      "sk-li"
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), lengths, (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(""))
        expect(streamed(formsOf("sk-live-0123456789"), bytes, cuts).equals(bytes)).toBe(true)
        expect(formsOf("sk-live-0123456789").inText(pieces.join(""))).toBe(pieces.join(""))
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

  it("costs the same for many secrets as for one", () => {
    const secrets = Array.from({ length: 64 }, (_, at) => ({
      value: `${at}-secret `.repeat(20).trim(),
      shown
    }))
    const text = Buffer.from("a line of a program's output, which has no secret in it\n".repeat(20))
    const looked = (hidden: typeof secrets) => {
      const mask = new SecretForms(hidden).stream()
      const from = process.cpuUsage()
      for (let times = 0; times < 100; times++) mask.next(text)
      const { system, user } = process.cpuUsage(from)
      return system + user
    }
    looked(secrets)
    // It took some 400 times as long when each form was looked for by itself.
    expect(looked(secrets)).toBeLessThan(50 * looked(secrets.slice(0, 1)))
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
    expect(streamed(new SecretForms([]), Buffer.from("a text"), [2]).toString()).toBe("a text")
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
