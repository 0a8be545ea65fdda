import { assert, describe, it } from "@effect/vitest"
import * as Statistics from "../src/Statistics.js"

const upTo = (most: number) => Array.from({ length: most }, (_, index) => most - index)

describe("Statistics", () => {
  it("percentile is a value of its own that so many do not exceed", () => {
    assert.strictEqual(Statistics.percentile(upTo(100), 0.5), 50)
    assert.strictEqual(Statistics.percentile(upTo(100), 0.99), 99)
    assert.strictEqual(Statistics.percentile(upTo(10), 0.99), 10)
    assert.strictEqual(Statistics.percentile([7], 0), 7)
    assert.isNaN(Statistics.percentile([], 0.5))
  })

  it("median is the middle, or between the two middles", () => {
    assert.strictEqual(Statistics.median([9, 1, 5]), 5)
    assert.strictEqual(Statistics.median([9, 1, 5, 6]), 5.5)
    assert.isNaN(Statistics.median([]))
  })

  it("spread tells the median and both ends", () => {
    assert.deepStrictEqual(Statistics.spread([3, 1, 2]), { median: 2, least: 1, most: 3 })
  })
})
