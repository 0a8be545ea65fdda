import { Harmless } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { hostileTexts } from "../../server/test/HostileTexts.js"
import * as Table from "../src/terminal/Table.js"

const anyText = FastCheck.array(
  FastCheck.oneof(FastCheck.constantFrom(...hostileTexts), FastCheck.string({ unit: "binary" }))
).map((parts) => parts.join(""))

/** What a terminal acts on, but for tabs and the ends of lines. */
const acting = (text: string) =>
  /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(text.replaceAll(/\r\n|\n|\t/g, ""))
const unseen = (text: string) => /[\p{C}\p{Zl}\p{Zp}]/u.test(text)

describe("what is shown on a terminal", () => {
  it("has at least forty hostile values to be tried with", () => {
    assert.isAtLeast(new Set(hostileTexts).size, 40)
  })

  it.prop("has nothing in it that acts, whatever a program writes", [anyText], ([text]) => {
    assert.isFalse(acting(Harmless.text(text)))
  })

  it.prop(
    "is the text itself, where that is plain",
    [FastCheck.string({ unit: "grapheme-ascii" })],
    ([text]) => {
      assert.strictEqual(Harmless.text(text), text)
      assert.strictEqual(Harmless.line(text), text)
    }
  )

  it("keeps tabs, ends of lines, and letters of all languages", () => {
    const text = "a\tb\r\nč 日本語 👩‍👩‍👧\n"
    assert.strictEqual(Harmless.text(text), text)
  })

  it.prop("is one line where it is a name", [anyText], ([text]) => {
    assert.isFalse(unseen(Harmless.line(text)))
  })

  it.prop("stays in its row of a table", [anyText, anyText], ([one, other]) => {
    const lines = Table.lines(["A", "B"], [[one, other]])
    assert.lengthOf(lines, 2)
    assert.isFalse(lines.some(unseen))
  })

  it.prop("is the same value as JSON, in one line of what can be seen", [anyText], ([text]) => {
    const json = Harmless.json({ [text]: text })
    assert.isFalse(unseen(json))
    assert.deepStrictEqual(JSON.parse(json), { [text]: text })
  })
})
