import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import * as Reaper from "../src/Sandboxes/Reaper.js"
import { type ListedSandbox, SandboxFailure, SandboxProvider } from "../src/Sandboxes/SandboxProvider.js"
import { settle } from "./Fixture.js"

const down = new SandboxFailure({ code: "ECONNRESET", phase: "list", message: "down", retryable: true })
const gone = Effect.void as Effect.Effect<void, SandboxFailure>

/** A reaper, and a provider that holds what it is told to. */
const makeReaper = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const alive = new Set(ids)
  const held = new Set<string>()
  const world = { lists: 0, kills: 0, list: gone, kill: gone }
  const sandboxes = () => [...alive].map((id): ListedSandbox => ({ id, metadata: { hold: id } }))
  const provider = SandboxProvider.of({
    name: "test",
    create: () => Effect.dieMessage("none is asked for"),
    list: () =>
      Effect.suspend(() => {
        world.lists++
        const seen = sandboxes()
        return Effect.as(world.list, seen)
      }),
    kill: (id) =>
      Effect.suspend(() => {
        world.kills++
        return Effect.map(world.kill, () => void alive.delete(id))
      })
  })
  const reaper = yield* Reaper.make({
    provider,
    tags: {},
    holder: () => {
      const now = new Set(held)
      return ({ id }) => now.has(id)
    },
    interval: 60
  })
  return { reaper, world, alive, held }
})

describe("Reaper", () => {
  it.scoped("ends at its start what nobody holds, and counts it", () =>
    Effect.gen(function* () {
      const { alive, held, reaper, world } = yield* makeReaper(["held", "orphan"])
      held.add("held")
      yield* settle
      assert.deepStrictEqual([...alive], ["held"])
      assert.strictEqual(yield* reaper.reaped, 1)
      assert.strictEqual(world.lists, 1)
    })
  )

  it.scoped("looks again at each interval, and a moment after it is woken", () =>
    Effect.gen(function* () {
      const { alive, reaper, world } = yield* makeReaper([])
      yield* settle
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual(world.lists, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(world.lists, 2)
      alive.add("orphan")
      for (let wakes = 0; wakes < 5; wakes++) reaper.wake()
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(world.lists, 2)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(alive.size, 0)
    })
  )

  it.scoped("leaves alone what was held when it asked, and does not count its ordinary end", () =>
    Effect.gen(function* () {
      const { alive, held, reaper, world } = yield* makeReaper(["ends"])
      held.add("ends")
      world.list = Effect.sleep("1 seconds")
      yield* settle
      alive.delete("ends")
      held.delete("ends")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(world.kills, 0)
      assert.strictEqual(yield* reaper.reaped, 0)
    })
  )

  it.scoped("leaves alone what is held by the time it is listed", () =>
    Effect.gen(function* () {
      const { alive, held, world } = yield* makeReaper(["new"])
      world.list = Effect.sleep("1 seconds")
      yield* settle
      held.add("new")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(alive.size, 1)
    })
  )

  const troubles: ReadonlyArray<readonly [string, Effect.Effect<void, SandboxFailure>]> = [
    ["fails", down],
    ["hangs", Effect.never],
    ["has a defect", Effect.die("bug")]
  ]
  for (const [trouble, effect] of troubles) {
    it.scoped(`looks again when listing ${trouble}`, () =>
      Effect.gen(function* () {
        const { alive, world } = yield* makeReaper(["orphan"])
        world.list = effect
        yield* settle
        world.list = gone
        yield* TestClock.adjust("30 seconds")
        yield* TestClock.adjust("60 seconds")
        yield* settle
        assert.strictEqual(alive.size, 0)
      })
    )

    it.scoped(`tries again at the next look when a kill ${trouble}, and ends the others meanwhile`, () =>
      Effect.gen(function* () {
        const { alive, reaper, world } = yield* makeReaper(["first", "second", "third"])
        let kills = 0
        world.kill = Effect.suspend(() =>
          kills++ === 0
            ? Effect.zipRight(
                Effect.sync(() => void kills),
                effect
              )
            : gone
        )
        yield* settle
        yield* TestClock.adjust("15 seconds")
        yield* TestClock.adjust("60 seconds")
        yield* settle
        assert.strictEqual(alive.size, 0)
        assert.strictEqual(yield* reaper.reaped, 3)
      })
    )
  }

  it.scoped("does not ask again within a look for what will not get better", () =>
    Effect.gen(function* () {
      const { world } = yield* makeReaper(["orphan"])
      world.kill = new SandboxFailure({
        code: "PERMISSION_DENIED",
        phase: "destroy",
        message: "no",
        retryable: false
      })
      yield* settle
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(world.kills, 1)
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(world.kills, 2)
    })
  )
})
