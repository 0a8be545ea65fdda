import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Metric } from "effect"
import { counter, described, labelled } from "../src/Instruments/Labelled.js"

const valueIn = (name: string, user: string) =>
  Effect.map(Metric.snapshot, (pairs) =>
    pairs
      .filter(
        ({ metricKey }) => metricKey.name === name && metricKey.tags.some(({ value }) => value === user)
      )
      .map(({ metricState }) => (metricState as { readonly count?: number }).count)
  )

describe("labelled", () => {
  it.effect("counts the values of a label beyond so many as one", () =>
    Effect.gen(function* () {
      const requests = labelled(counter("test_bounded_total", "A test."), ["user"], 3)
      for (const user of Chunk.range(1, 10_000)) yield* Metric.increment(requests({ user: `user-${user}` }))
      yield* Metric.increment(requests({ user: "user-1" }))
      assert.deepStrictEqual(yield* valueIn("test_bounded_total", "user-1"), [2])
      assert.deepStrictEqual(yield* valueIn("test_bounded_total", "user-4"), [])
      assert.deepStrictEqual(yield* valueIn("test_bounded_total", "other"), [9997])
    })
  )

  it.effect("tells values apart, whatever is in them", () =>
    Effect.gen(function* () {
      const pairs = labelled(counter("test_apart_total", "A test."), ["one", "two"])
      yield* Metric.increment(pairs({ one: "a,b", two: "c" }))
      yield* Metric.increment(pairs({ one: "a", two: "b,c" }))
      assert.deepStrictEqual(yield* valueIn("test_apart_total", "a,b"), [1])
      assert.deepStrictEqual(yield* valueIn("test_apart_total", "b,c"), [1])
    })
  )

  it("is described, with its labels, before anything is counted", () => {
    labelled(counter("test_described_total", "What it counts."), ["one", "two"])
    assert.deepInclude(described(), {
      name: "test_described_total",
      type: "counter",
      help: "What it counts.",
      labels: ["one", "two"]
    })
  })
})
