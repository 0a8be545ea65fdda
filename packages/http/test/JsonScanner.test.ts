import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import { type Flaw, JsonScanner } from "../src/body/JsonScanner.js"

const bounds = { depth: 16, elements: 8192 }

/** What is found, when the bytes come in pieces of this length. */
const flawOf = (text: string, length = 7): Flaw | undefined => {
  const scanner = new JsonScanner(bounds)
  const bytes = new TextEncoder().encode(text)
  for (let from = 0; from < bytes.length; from += length) {
    const flaw = scanner.push(bytes.subarray(from, from + length))
    if (flaw !== undefined) return flaw
  }
  return scanner.end()
}

const isJson = (text: string) => Either.isRight(Either.try((): unknown => JSON.parse(text)))

const pieces = FastCheck.integer({ min: 1, max: 40 })

describe("the scanner of JSON", () => {
  it("lets through what is JSON, in whatever pieces it comes", () => {
    const values = FastCheck.jsonValue({ maxDepth: 6 })
    const spaces = FastCheck.constantFrom(0, 1, "\t", "\r\n")
    FastCheck.assert(
      FastCheck.property(values, spaces, pieces, (value, space, length) =>
        assert.isUndefined(flawOf(JSON.stringify(value, undefined, space), length))
      )
    )
  })

  it("says the same in whatever pieces it comes, and refuses nothing that the parser takes", () => {
    const signs = FastCheck.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "\\",
      " ",
      "1",
      "-",
      "true",
      "é",
      '"a"'
    )
    const texts = FastCheck.array(signs, { maxLength: 20 }).map((some) => some.join(""))
    FastCheck.assert(
      FastCheck.property(texts, pieces, (text, length) => {
        assert.deepStrictEqual(flawOf(text, length), flawOf(text, 1000))
        if (isJson(text)) assert.isUndefined(flawOf(text))
      }),
      { numRuns: 3000 }
    )
  })

  it("counts what is deep and what is many, up to the bounds", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
    assert.isUndefined(flawOf(nested(16)))
    assert.strictEqual(
      flawOf(nested(17))?.message,
      "body: expected at most 16 levels of arrays and objects, at byte 17"
    )
    const list = (elements: number) => `{"env":[${Array.from({ length: elements }, () => "[]").join()}]}`
    assert.isUndefined(flawOf(list(4095)))
    const flaw = flawOf(list(4097))
    assert.strictEqual(flaw?.field, "env")
    assert.match(flaw?.message ?? "", /^env: expected at most 8192 elements of arrays and members/)
  })

  it("takes no quote within a text for its end", () => {
    for (const text of [
      '"\\""',
      '"\\\\"',
      '"\\\\\\""',
      `"${"\\\\".repeat(50)}\\""`,
      '{"a\\"b":{"\\\\":1}}'
    ]) {
      for (const length of [1, 2, 3, 1000]) assert.isUndefined(flawOf(text, length), text)
    }
  })
})
