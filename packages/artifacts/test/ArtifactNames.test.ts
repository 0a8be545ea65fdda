import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { composed } from "../src/ArtifactNames.js"

describe("The names of artifacts", () => {
  it("are composed, and get a number where two meet", () => {
    assert.deepStrictEqual(composed(["re\u0301sume\u0301.csv"]), ["résumé.csv"])
    assert.deepStrictEqual(composed(["e\u0301.csv", "é.csv", "é (2).csv"]), [
      "é (3).csv",
      "é.csv",
      "é (2).csv"
    ])
    assert.deepStrictEqual(composed(["e\u0301/a", "é/a", ".e\u0301", ".é"]), [
      "é/a (2)",
      "é/a",
      ".é (2)",
      ".é"
    ])
  })

  const name = FastCheck.stringOf(FastCheck.constantFrom("a", "é", "e\u0301", "\u0323", "/", ".", " (2)"), {
    maxLength: 8
  })
  it.prop(
    "stay different, and those that were composed stay the same",
    [FastCheck.uniqueArray(name, { maxLength: 12 })],
    ([names]) => {
      const all = composed(names)
      assert.strictEqual(new Set(all).size, names.length)
      for (const [index, own] of names.entries())
        if (own === own.normalize("NFC")) assert.strictEqual(all[index], own)
        else assert.strictEqual(all[index], all[index]?.normalize("NFC"))
    }
  )
})
