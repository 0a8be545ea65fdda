import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Scope, TestClock } from "effect"
import * as Reaper from "../src/Sandboxes/Reaper.js"
import { type ListedSandbox, SandboxFailure, SandboxProvider } from "../src/Sandboxes/SandboxProvider.js"
import { settle } from "./Fixture.js"

const down = new SandboxFailure({ code: "ECONNRESET", phase: "list", message: "down", retryable: true })
const gone = Effect.void as Effect.Effect<void, SandboxFailure>

/** A reaper, and a provider with these sandboxes, of which those in `owned` have an owner. */
const makeReaper = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const alive = new Set(ids)
  const owned = new Set<string>()
  const world = { lists: 0, kills: 0, list: gone, kill: gone, afterAnswer: Effect.void, asked: {} }
  const sandboxes = () => [...alive].map((id): ListedSandbox => ({ id, metadata: { ownership: id } }))
  const provider = SandboxProvider.of({
    name: "test",
    create: () => Effect.dieMessage("none is asked for"),
    list: (tags) =>
      Effect.suspend(() => {
        world.lists++
        world.asked = tags
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
    owned: Effect.sync(() => {
      const now = new Set(owned)
      return ({ id }: ListedSandbox) => now.has(id)
    }).pipe(Effect.tap(() => world.afterAnswer)),
    interval: 60
  })
  return { reaper, world, alive, owned }
})

describe("Reaper", () => {
  it.scoped("ends at its start what has no owner, and counts it", () =>
    Effect.gen(function* () {
      const { alive, owned, reaper, world } = yield* makeReaper(["owned", "orphan"])
      owned.add("owned")
      yield* settle
      assert.deepStrictEqual([...alive], ["owned"])
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
      yield* Effect.replicateEffect(reaper.wake, 5)
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(world.lists, 2)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(alive.size, 0)
    })
  )

  it.scoped("leaves alone what had an owner when it asked, and does not count its ordinary end", () =>
    Effect.gen(function* () {
      const { alive, owned, reaper, world } = yield* makeReaper(["ends"])
      owned.add("ends")
      world.list = Effect.sleep("1 seconds")
      yield* settle
      alive.delete("ends")
      owned.delete("ends")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(world.kills, 0)
      assert.strictEqual(yield* reaper.reaped, 0)
    })
  )

  it.scoped("leaves alone what has an owner by the time it is listed", () =>
    Effect.gen(function* () {
      const { alive, owned, world } = yield* makeReaper(["new"])
      world.list = Effect.sleep("1 seconds")
      yield* settle
      owned.add("new")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(alive.size, 1)
    })
  )

  /** What burying a life of which this is left comes to. */
  const burying = Effect.fnUntraced(function* (kill: Effect.Effect<void, SandboxFailure>) {
    const { alive, owned, reaper, world } = yield* makeReaper([])
    yield* settle
    for (const id of ["left", "left too"]) owned.add(id)
    for (const id of owned) alive.add(id)
    world.kill = kill
    const buried = yield* Effect.fork(reaper.bury("dead"))
    yield* TestClock.adjust("20 seconds")
    assert.deepStrictEqual(world.asked, { life: "dead" })
    return { alive, isSure: yield* Fiber.join(buried) }
  })

  it.scoped("ends all that a dead life made", () =>
    Effect.gen(function* () {
      const { alive, isSure } = yield* burying(gone)
      assert.deepStrictEqual([alive.size, isSure], [0, true])
    })
  )

  it.scoped(
    "is not sure that nothing is left of a dead life whose sandboxes cannot be ended, or not be listed",
    () =>
      Effect.gen(function* () {
        const { alive, isSure } = yield* burying(down)
        assert.deepStrictEqual([alive.size, isSure], [2, false])
        const { reaper, world } = yield* makeReaper([])
        yield* settle
        world.list = down
        assert.isFalse(yield* reaper.bury("dead"))
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

  it.effect("looks a last time at its end if it was woken since it looked, and not otherwise", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { alive, reaper, world } = yield* Scope.extend(makeReaper([]), scope)
      yield* settle
      alive.add("orphan")
      yield* reaper.wake
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(alive.size, 0)
      assert.strictEqual(world.lists, 2)
      const { world: calm } = yield* Effect.scoped(Effect.zipLeft(makeReaper([]), settle))
      assert.strictEqual(calm.lists, 1)
    })
  )

  it.effect("looks a last time also if it was woken while it asked who has an owner", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { alive, owned, reaper, world } = yield* Scope.extend(makeReaper(["left"]), scope)
      owned.add("left")
      world.afterAnswer = Effect.suspend(() => {
        world.afterAnswer = Effect.void
        owned.delete("left")
        return reaper.wake
      })
      yield* settle
      assert.strictEqual(alive.size, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(alive.size, 0)
    })
  )

  it.effect("gives up its last look after five seconds", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { reaper, world } = yield* Scope.extend(makeReaper([]), scope)
      yield* settle
      world.list = Effect.never
      yield* reaper.wake
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("4999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(closing)))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
    })
  )

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
