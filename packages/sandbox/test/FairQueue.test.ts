import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { FairQueue, type Place } from "../src/Admission/FairQueue.js"

const keys = ["a", "b", "c", "d"] as const
type Key = (typeof keys)[number]

interface NaiveLine {
  readonly key: Key
  isSuspended: boolean
  values: Array<number>
}

/** The same rules with arrays alone: lines in the order they were opened, and the round in the order of its turns. */
class NaiveQueue {
  lines: Array<NaiveLine> = []
  round: Array<NaiveLine> = []

  private lineOf(key: Key) {
    return this.lines.find((line) => line.key === key)
  }

  private sweep() {
    this.lines = this.lines.filter(({ values }) => values.length > 0)
    this.round = this.round.filter(({ values }) => values.length > 0)
  }

  sizeOf(key: Key) {
    return this.lineOf(key)?.values.length ?? 0
  }

  get size() {
    return this.lines.reduce((sum, { values }) => sum + values.length, 0)
  }

  push(key: Key, value: number, isSuspended: boolean) {
    const known = this.lineOf(key)
    if (known) return void known.values.push(value)
    const line: NaiveLine = { key, isSuspended, values: [value] }
    this.lines.push(line)
    if (!isSuspended) this.round.push(line)
  }

  remove(value: number) {
    const line = this.lines.find(({ values }) => values.includes(value))
    if (line) line.values = line.values.filter((other) => other !== value)
    this.sweep()
    return line !== undefined
  }

  shift() {
    const line = this.round.shift()
    if (line === undefined) return undefined
    this.round.push(line)
    const value = line.values.shift()
    this.sweep()
    return value
  }

  suspend(key: Key) {
    const line = this.lineOf(key)
    if (line) line.isSuspended = true
    this.round = this.round.filter((other) => other !== line)
  }

  resume(key: Key) {
    const line = this.lineOf(key)
    if (!line?.isSuspended) return
    line.isSuspended = false
    this.round.push(line)
  }

  drain() {
    const all: Array<number> = []
    const shiftAll = () => {
      for (let value = this.shift(); value !== undefined; value = this.shift()) all.push(value)
    }
    shiftAll()
    for (const { key } of this.lines) this.resume(key)
    shiftAll()
    return all
  }
}

const key = FastCheck.constantFrom(...keys)
const step = FastCheck.oneof(
  {
    weight: 6,
    arbitrary: FastCheck.record({
      do: FastCheck.constant("push" as const),
      key,
      isSuspended: FastCheck.boolean()
    })
  },
  {
    weight: 3,
    arbitrary: FastCheck.record({ do: FastCheck.constant("remove" as const), which: FastCheck.nat(40) })
  },
  { weight: 4, arbitrary: FastCheck.record({ do: FastCheck.constant("shift" as const) }) },
  { weight: 2, arbitrary: FastCheck.record({ do: FastCheck.constant("suspend" as const), key }) },
  { weight: 2, arbitrary: FastCheck.record({ do: FastCheck.constant("resume" as const), key }) },
  { weight: 1, arbitrary: FastCheck.record({ do: FastCheck.constant("drain" as const) }) }
)

describe("FairQueue", () => {
  it.prop(
    "answers like a naive queue, whatever is done to it",
    [FastCheck.array(step, { maxLength: 80 })],
    ([steps]) => {
      const queue = new FairQueue<Key, number>()
      const naive = new NaiveQueue()
      const places: Array<Place<Key, number>> = []
      for (const step of steps) {
        if (step.do === "push") {
          const value = places.length
          places.push(queue.push(step.key, value, step.isSuspended))
          naive.push(step.key, value, step.isSuspended)
        } else if (step.do === "remove") {
          const place = places[step.which]
          if (place) assert.strictEqual(queue.remove(place), naive.remove(place.value))
        } else if (step.do === "shift") assert.strictEqual(queue.shift(), naive.shift())
        else if (step.do === "drain") assert.deepStrictEqual([...queue.drain()], naive.drain())
        else {
          queue[step.do](step.key)
          naive[step.do](step.key)
        }
        assert.strictEqual(queue.size, naive.size)
        assert.strictEqual(queue.lineCount, naive.lines.length)
        for (const key of keys) assert.strictEqual(queue.sizeOf(key), naive.sizeOf(key))
      }
      assert.deepStrictEqual([...queue.drain()], naive.drain())
      assert.strictEqual(queue.size, 0)
      assert.strictEqual(queue.lineCount, 0)
    },
    { fastCheck: { numRuns: 500 } }
  )

  it("takes turns among keys, and is first in, first out within one", () => {
    const queue = new FairQueue<string, string>()
    for (const value of ["a1", "a2", "a3", "b1", "c1", "b2"]) queue.push(value.slice(0, 1), value, false)
    assert.deepStrictEqual([...queue.drain()], ["a1", "b1", "c1", "a2", "b2", "a3"])
  })

  it("lets a newcomer wait for each other key's turn once, however long their lines are", () => {
    const queue = new FairQueue<string, string>()
    for (let index = 0; index < 1000; index++) queue.push("noisy", `noisy ${index}`, false)
    queue.push("other", "other", false)
    assert.deepStrictEqual([queue.shift(), queue.shift(), queue.shift()], ["noisy 0", "other", "noisy 1"])
  })

  it("gives a suspended key no turns until they are resumed, and then after everyone who has one", () => {
    const queue = new FairQueue<string, string>()
    queue.push("a", "a1", false)
    queue.push("b", "b1", false)
    queue.push("c", "c1", true)
    queue.suspend("a")
    assert.strictEqual(queue.shift(), "b1")
    assert.isUndefined(queue.shift())
    assert.strictEqual(queue.size, 2)
    queue.resume("c")
    queue.resume("a")
    assert.deepStrictEqual([queue.shift(), queue.shift()], ["c1", "a1"])
  })

  it("keeps nothing of a key whose line is empty, not even that it was suspended", () => {
    const queue = new FairQueue<string, string>()
    assert.isTrue(queue.remove(queue.push("a", "a1", true)))
    assert.strictEqual(queue.lineCount, 0)
    queue.push("a", "a2", false)
    assert.strictEqual(queue.shift(), "a2")
    assert.strictEqual(queue.lineCount, 0)
  })

  it("drains any number of suspended keys", () => {
    const queue = new FairQueue<number, number>()
    for (let index = 0; index < 20_000; index++) queue.push(index, index, true)
    let drained = 0
    for (const value of queue.drain()) assert.strictEqual(value, drained++)
    assert.strictEqual(drained, 20_000)
    assert.strictEqual(queue.lineCount, 0)
  })
})
