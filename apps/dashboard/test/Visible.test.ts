import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { visible, visibleLines } from "../src/text/Visible.js"

/** What would show nothing, or make other characters show otherwise. */
const dangerous = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u

const anyText = FastCheck.oneof(
  FastCheck.string({ unit: "binary", maxLength: 400 }),
  FastCheck.string({ unit: "grapheme", maxLength: 400 }),
  FastCheck.array(FastCheck.integer({ min: 0, max: 0xffff }), { maxLength: 400 }).map((units) =>
    String.fromCharCode(...units)
  )
)

describe("what a stranger wrote", () => {
  it("is shown without a character that is not seen", () => {
    FastCheck.assert(
      FastCheck.property(anyText, (text) => {
        assert.notMatch(visible(text), dangerous)
        assert.notMatch(visibleLines(text).replaceAll(/[\n\t]/g, ""), dangerous)
      }),
      { numRuns: 500 }
    )
  })

  it("stays as it is where it is harmless", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.stringMatching(/^[ -~äöüéλжش中🙂]{0,200}$/u), (text) => {
        assert.strictEqual(visible(text), text)
        assert.strictEqual(visibleLines(`${text}\n\t${text}`), `${text}\n\t${text}`)
      })
    )
  })

  it("cannot reverse, hide, overprint or cover what stands around it", () => {
    assert.strictEqual(visible("a\u202egnp.exe"), "a⟨U+202E⟩gnp.exe")
    assert.strictEqual(visible("\u001b[2J\u001b]0;owned\u0007"), "␛[2J␛]0;owned␇")
    assert.strictEqual(visible("nul\0 del\u007f zero\u200bwidth"), "nul␀ del␡ zero⟨U+200B⟩width")
    assert.strictEqual(visible("\u{e0041}"), "⟨U+E0041⟩")
    assert.strictEqual(visible("half\ud800"), "half⟨U+D800⟩")
    assert.isAtMost(visible(`z${"\u0300".repeat(500)}`, 1000).length, 10)
    assert.strictEqual(visible("two\nlines"), "two␊lines")
    assert.strictEqual(visibleLines("a\r\nb\rc\n"), "a\nb␍c\n")
  })

  it("is cut where it is long, and the rest is counted", () => {
    assert.strictEqual(visible("a".repeat(1_000_000), 10), `${"a".repeat(10)}… (999990 more)`)
  })
})
