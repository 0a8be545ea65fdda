import { assert, describe, it } from "@effect/vitest"
import * as Measurement from "../src/Measurement.js"

const upTo = (most: number) => Array.from({ length: most }, (_, index) => most - index)

describe("Measurement", () => {
  it("percentile is a value of its own that so many do not exceed", () => {
    assert.strictEqual(Measurement.percentile(upTo(100), 0.5), 50)
    assert.strictEqual(Measurement.percentile(upTo(100), 0.99), 99)
    assert.strictEqual(Measurement.percentile(upTo(10), 0.99), 10)
    assert.strictEqual(Measurement.percentile([7], 0), 7)
    assert.isNaN(Measurement.percentile([], 0.5))
  })

  it("median is the middle, or between the two middles", () => {
    assert.strictEqual(Measurement.median([9, 1, 5]), 5)
    assert.strictEqual(Measurement.median([9, 1, 5, 6]), 5.5)
    assert.isNaN(Measurement.median([]))
  })

  it("spread tells the median and both ends", () => {
    assert.deepStrictEqual(Measurement.spread([3, 1, 2]), { median: 2, least: 1, most: 3 })
  })
})
