import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as Interleave from "../src/Interleave.js"
import type { Row } from "../src/Measurement.js"

const rows = ["a", "b", "c"]

/** A row that does so many executions in 100 ms, twice as many in the second round. */
const row = (name: string, executions: number, turns: Array<string>): Row => ({
  name,
  how: "",
  run: (concurrency) =>
    Effect.sync(() => {
      turns.push(`${name}${concurrency}`)
      const slow = turns.filter((turn) => turn === `${name}${concurrency}`).length < 2
      const count = slow ? executions : executions * 2
      return { latencies: Array.from({ length: count }, (_, index) => index), wallMs: 100, cpuMs: 50 }
    })
})

describe("Interleave", () => {
  it("gives every row one turn at each concurrency of each round", () => {
    const plan = Interleave.plan(rows, [1, 2], 4)
    assert.strictEqual(plan.length, 24)
    const turns = plan.map(({ concurrency, round, row }) => `${round} ${concurrency} ${row}`)
    assert.strictEqual(new Set(turns).size, 24)
  })

  it("puts the turns that are compared next to each other, and begins each round with another row", () => {
    const order = Interleave.plan(rows, [1, 2], 4).map(({ row }) => row)
    assert.strictEqual(order.join(""), "abcabc" + "bcabca" + "cabcab" + "abcabc")
  })

  it.effect("runs the rows in turns, each round beginning with another", () =>
    Effect.gen(function* () {
      const turns: Array<string> = []
      const both = [row("a", 4, turns), row("b", 2, turns)]
      yield* Interleave.warmUp([...both, { ...row("c", 1, turns), isSteady: true }], 8, Duration.millis(1))
      const samples = yield* Interleave.run(both, [1], 2, Duration.millis(1))
      assert.deepStrictEqual(turns, ["a8", "b8", "a1", "b1", "b1", "a1"])
      assert.strictEqual(samples.length, 4)
    })
  )

  it.effect("compares rates round by round", () =>
    Effect.gen(function* () {
      const turns: Array<string> = []
      const both = [row("bare", 40, turns), row("other", 10, turns)]
      const samples = yield* Interleave.run(both, [1, 8], 2, Duration.millis(1))
      const measured = Interleave.compare(samples, "bare")
      assert.deepStrictEqual(
        measured.map(({ row, concurrency }) => `${row}${concurrency}`),
        ["bare1", "other1", "bare8", "other8"]
      )
      const other = measured[1]
      assert.deepStrictEqual(other?.ratio, { median: 0.25, least: 0.25, most: 0.25 })
      assert.deepStrictEqual(other?.perSecond, { median: 150, least: 100, most: 200 })
      assert.strictEqual(other?.executions, 30)
      assert.closeTo(other?.cpuMs ?? 0, 100 / 30, 1e-9)
    })
  )

  it("tells ours to theirs by the rounds, not by the medians", () => {
    const versus = Interleave.versus("runs", [10, 20, 90], [10, 40, 30])
    assert.deepStrictEqual(versus.ours, { median: 20, least: 10, most: 90 })
    assert.deepStrictEqual(versus.theirs, { median: 30, least: 10, most: 40 })
    assert.deepStrictEqual(versus.ratio, { median: 1, least: 0.5, most: 3 })
  })
})
