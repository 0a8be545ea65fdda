import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { Rejections } from "../src/Rejections.js"

describe("Files that are not kept", () => {
  it("are all named while they are few", () => {
    const rejections = new Rejections()
    for (let file = 0; file < 20; file++) rejections.add(`${file}\n`, "no")
    const { rejected, rejectedCounts } = rejections.collected
    assert.strictEqual(rejected.length, 20)
    assert.deepStrictEqual(rejected[0], { name: "0\\u{a}", reason: "Artifact validation failed: no" })
    assert.isUndefined(rejectedCounts)
  })

  it.prop(
    "are counted by reason, each once, and some of each are named",
    [
      FastCheck.array(FastCheck.tuple(FastCheck.nat({ max: 40 }), FastCheck.nat({ max: 300 })), {
        maxLength: 60
      })
    ],
    ([groups]) => {
      const rejections = new Rejections()
      let all = 0
      for (const [flaw, count] of groups)
        for (let file = 0; file < count; file++, all++) rejections.add(`${file}`, `flaw ${flaw}`)
      const { rejected, rejectedCounts } = rejections.collected
      const counted = (rejectedCounts ?? []).reduce((sum, { count }) => sum + count, 0)
      assert.strictEqual(rejectedCounts === undefined ? rejected.length : counted, all)
      assert.isAtMost(rejected.length, 63)
      assert.isAtMost(rejectedCounts?.length ?? 0, 21)
      for (const { reason } of rejectedCounts ?? [])
        assert.include(
          rejected.map((one) => one.reason),
          reason
        )
    }
  )
})
