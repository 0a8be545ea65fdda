import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Duration,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  FiberId,
  Option,
  Scheduler,
  Scope,
  TestClock
} from "effect"
import type { OwnedSandbox } from "../src/Sandboxes/OwnedSandbox.js"
import * as SandboxPool from "../src/Sandboxes/SandboxPool.js"
import { SandboxFailure } from "../src/Sandboxes/SandboxProvider.js"
import { withChangedClock } from "./ChangedClock.js"
import { settle } from "./Fixture.js"
import { yieldAt } from "./YieldAt.js"

const down = new SandboxFailure({ code: "ECONNREFUSED", phase: "create", message: "down", retryable: true })
const dead = new SandboxFailure({ code: "SANDBOX_BUSY", phase: "renew", message: "gone", retryable: false })

const minute = Duration.minutes(1)
const lifetimeOf = (seconds: number) => Duration.seconds(seconds)

/** The test's clock, whose own steps cannot be interrupted at will without harm to it. */
const steadyClock = withChangedClock((clock) => ({
  sleep: (duration) => Effect.withScheduler(clock.sleep(duration), Scheduler.defaultScheduler)
}))

/** A pool, and a provider of which everything can be seen. */
const makePool = Effect.fnUntraced(function* (
  limits: Partial<SandboxPool.PoolOptions["limits"]> = {},
  options: { readonly whenCalm?: Effect.Effect<void>; readonly usualLifetime?: Duration.Duration } = {}
) {
  const alive = new Set<string>()
  const diesAt = new Map<string, number>()
  const renewed: Array<readonly [string, number]> = []
  const provider = {
    made: 0,
    tries: 0,
    fails: false,
    renew: Effect.void as Effect.Effect<void, SandboxFailure>
  }

  const make = (lifetime: Duration.Duration) =>
    Effect.gen(function* () {
      provider.tries++
      if (provider.fails) return yield* down
      const id = `sandbox-${++provider.made}`
      alive.add(id)
      diesAt.set(id, (yield* Clock.currentTimeMillis) + Duration.toMillis(lifetime))
      return {
        id,
        ownership: id,
        renew: (lifetime) =>
          Effect.zipRight(
            Effect.sync(() => renewed.push([id, Duration.toSeconds(lifetime)])),
            provider.renew
          ),
        size: Effect.die("not asked"),
        write: () => Effect.void,
        read: () => Effect.die("not read") as never,
        run: () => Effect.never,
        signal: () => Effect.void,
        destroy: Effect.die("not asked")
      } satisfies OwnedSandbox
    })
  const close = ({ id }: OwnedSandbox) => Effect.sync(() => void alive.delete(id))
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const pool = yield* SandboxPool.make({
    limits: { poolMin: 0, poolMax: 3, poolMaxAge: 300, ...limits },
    create: make,
    close,
    usualLifetime: options.usualLifetime ?? Duration.zero,
    whenCalm: options.whenCalm ?? Effect.void
  }).pipe(steadyClock, Scope.extend(scope))
  yield* settle
  const idle = Effect.map(pool.metrics, ({ idle }) => idle)

  const closeTaken = Option.match({ onNone: () => Effect.void, onSome: close })
  /** Takes one, and closes it at once. */
  const borrow = Effect.acquireUseRelease(pool.take(minute), () => Effect.void, closeTaken)
  /** Takes one for a while. */
  const take = (lifetime = minute) =>
    Effect.map(pool.take(lifetime), (sandbox) => ({
      id: Option.map(sandbox, ({ id }) => id),
      close: closeTaken(sandbox)
    }))
  return { pool, provider, alive, diesAt, renewed, scope, idle, borrow, take }
})

describe("SandboxPool", () => {
  it.scoped("keeps the least at once, and counts hits and misses", () =>
    Effect.gen(function* () {
      const { pool, renewed, take } = yield* makePool({ poolMin: 2 })
      assert.deepStrictEqual(yield* pool.metrics, { idle: 2, target: 2, hits: 0, misses: 0 })
      const first = yield* take(lifetimeOf(77))
      const second = yield* take(lifetimeOf(78))
      assert.deepStrictEqual(
        [first, second].map(({ id }) => Option.getOrUndefined(id)),
        ["sandbox-1", "sandbox-2"]
      )
      assert.deepStrictEqual(renewed, [
        ["sandbox-1", 77],
        ["sandbox-2", 78]
      ])
      yield* settle
      assert.deepStrictEqual(yield* pool.metrics, { idle: 2, target: 2, hits: 2, misses: 0 })
    })
  )

  it.scoped("asks none that was made a moment ago for what is usual, and every other", () =>
    Effect.gen(function* () {
      const usualLifetime = lifetimeOf(370)
      const { diesAt, provider, renewed, take } = yield* makePool({ poolMin: 1 }, { usualLifetime })
      provider.renew = dead
      yield* TestClock.adjust("999 millis")
      const { id } = yield* take(usualLifetime)
      assert.strictEqual(Option.getOrUndefined(id), "sandbox-1")
      const now = yield* Clock.currentTimeMillis
      assert.isAtLeast((diesAt.get("sandbox-1") ?? 0) - now, Duration.toMillis(usualLifetime))
      assert.deepStrictEqual(renewed, [])

      for (const [waits, lifetime] of [
        ["1 seconds", usualLifetime],
        ["0 seconds", lifetimeOf(75)],
        ["0 seconds", lifetimeOf(900)]
      ] as const) {
        yield* settle
        yield* TestClock.adjust(waits)
        const asked = renewed.length
        yield* take(lifetime)
        assert.isAbove(renewed.length, asked)
      }
    })
  )

  it.scoped("makes one more after each miss, up to the most", () =>
    Effect.gen(function* () {
      const { pool, provider, take } = yield* makePool({ poolMax: 2 })
      provider.fails = true
      for (let miss = 0; miss < 4; miss++) assert.isTrue(Option.isNone((yield* take()).id))
      assert.deepStrictEqual(yield* pool.metrics, { idle: 0, target: 2, hits: 0, misses: 4 })
      provider.fails = false
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* pool.metrics, { idle: 2, target: 2, hits: 0, misses: 4 })
    })
  )

  it.scoped("destroys those that grew old, and keeps fewer then", () =>
    Effect.gen(function* () {
      const { alive, pool, provider, take } = yield* makePool()
      provider.fails = true
      yield* take()
      yield* take()
      yield* settle
      provider.fails = false
      yield* TestClock.adjust("500 millis")
      assert.include(yield* pool.metrics, { idle: 2, target: 2 })
      yield* TestClock.adjust("299999 millis")
      assert.strictEqual(alive.size, 2)
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.include(yield* pool.metrics, { idle: 0, target: 0 })
      assert.strictEqual(alive.size, 0)
    })
  )

  it.scoped("keeps none so long that its provider ends it", () =>
    Effect.gen(function* () {
      const { alive, diesAt, take } = yield* makePool({ poolMin: 2 })
      yield* TestClock.adjust("50 seconds")
      yield* (yield* take()).close
      for (let second = 0; second < 400; second += 10) {
        yield* TestClock.adjust("10 seconds")
        const now = yield* Clock.currentTimeMillis
        for (const id of alive) assert.isBelow(now, diesAt.get(id) ?? 0)
      }
    })
  )

  it.scoped("destroys those that grew old also while no new ones can be made", () =>
    Effect.gen(function* () {
      const { alive, provider, take } = yield* makePool({ poolMin: 2 })
      provider.fails = true
      yield* (yield* take()).close
      assert.strictEqual(alive.size, 1)
      yield* TestClock.adjust("300 seconds")
      yield* settle
      assert.strictEqual(alive.size, 0)
    })
  )

  it.scoped("looks at each one once, however fast new ones come that are dead too", () =>
    Effect.gen(function* () {
      const { provider, renewed, take } = yield* makePool({ poolMin: 2 })
      provider.renew = Effect.never
      const taking = yield* Effect.fork(take())
      for (let second = 0; second < 4; second++) yield* TestClock.adjust("1 seconds")
      assert.isTrue(Option.isNone((yield* Fiber.join(taking)).id))
      assert.strictEqual(renewed.length, 2)
    })
  )

  it.scoped("does not keep one who goes away waiting for a sandbox's answer", () =>
    Effect.gen(function* () {
      const { alive, borrow, pool, provider } = yield* makePool({ poolMin: 1 })
      provider.renew = Effect.never
      const taking = yield* Effect.fork(borrow)
      yield* settle
      yield* Fiber.interrupt(taking)
      yield* settle
      assert.strictEqual(alive.size, (yield* pool.metrics).idle)
    })
  )

  it.scoped("skips a dead one and one that does not answer, and destroys them at once", () =>
    Effect.gen(function* () {
      const { alive, pool, provider, take } = yield* makePool({ poolMin: 1 })
      provider.renew = dead
      provider.fails = true
      assert.isTrue(Option.isNone((yield* take()).id))
      yield* settle
      assert.strictEqual(alive.size, 0)
      assert.include(yield* pool.metrics, { hits: 0, misses: 1 })

      provider.fails = false
      yield* TestClock.adjust("30 seconds")
      provider.fails = true
      provider.renew = Effect.never
      const taking = yield* Effect.fork(take())
      for (let second = 0; second < 4; second++) yield* TestClock.adjust("1 seconds")
      assert.isTrue(Option.isNone((yield* Fiber.join(taking)).id))
      yield* settle
      assert.strictEqual(alive.size, 0)
    })
  )

  it.scoped("makes none while an execution waits for one to be made", () =>
    Effect.gen(function* () {
      const calm = yield* Effect.makeLatch(false)
      const { idle, provider } = yield* makePool({ poolMin: 2 }, { whenCalm: calm.await })
      assert.strictEqual(provider.tries, 0)
      yield* calm.open
      yield* settle
      assert.strictEqual(yield* idle, 2)
    })
  )

  it.scoped("waits ever longer after each failure to make one, and recovers", () =>
    Effect.gen(function* () {
      const { idle, provider, take } = yield* makePool({ poolMax: 1 })
      provider.fails = true
      yield* take()
      yield* settle
      const triesAfter = Effect.fnUntraced(function* (millis: number) {
        yield* TestClock.adjust(millis)
        return provider.tries
      })
      assert.strictEqual(provider.tries, 1)
      assert.strictEqual(yield* triesAfter(499), 1)
      assert.strictEqual(yield* triesAfter(1), 2)
      assert.strictEqual(yield* triesAfter(999), 2)
      assert.strictEqual(yield* triesAfter(1), 3)
      yield* TestClock.adjust("10 minutes")
      const tries = provider.tries
      assert.isBelow(tries, 40)
      provider.fails = false
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* idle, 1)
    })
  )

  it.scoped("ends all that are idle with its scope, and none that is taken", () =>
    Effect.gen(function* () {
      const { alive, scope, take } = yield* makePool({ poolMin: 3 })
      const taken = yield* take()
      yield* settle
      assert.strictEqual(alive.size, 4)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([...alive], ["sandbox-1"])
      yield* taken.close
      assert.strictEqual(alive.size, 0)
    })
  )

  it.scoped("with room for none does nothing", () =>
    Effect.gen(function* () {
      const { pool, provider, take } = yield* makePool({ poolMax: 0 })
      assert.isTrue(Option.isNone((yield* take()).id))
      yield* TestClock.adjust("1 hours")
      assert.strictEqual(provider.tries, 0)
      assert.deepStrictEqual(yield* pool.metrics, { idle: 0, target: 0, hits: 0, misses: 0 })
    })
  )

  it.scoped.prop(
    "gives no sandbox twice, and keeps no more than its most",
    [FastCheck.array(FastCheck.constantFrom("take", "close", "wait", "break"), { maxLength: 25 })],
    ([actions]) =>
      Effect.gen(function* () {
        const { alive, pool, provider, take } = yield* makePool({ poolMin: 1 })
        const given: Array<string> = []
        const inUse: Array<Effect.Effect.Success<ReturnType<typeof take>>> = []
        for (const action of actions) {
          if (action === "take") {
            const taken = yield* take()
            if (Option.isSome(taken.id)) given.push(taken.id.value)
            inUse.push(taken)
          } else if (action === "close") yield* inUse.shift()?.close ?? Effect.void
          else if (action === "wait") yield* TestClock.adjust("100 seconds")
          else provider.renew = provider.renew === Effect.void ? dead : Effect.void
          assert.isAtMost((yield* pool.metrics).idle, 3)
        }
        assert.strictEqual(new Set(given).size, given.length)
        for (const { close } of inUse) yield* close
        yield* settle
        assert.strictEqual(alive.size, (yield* pool.metrics).idle)
      }),
    { fastCheck: { numRuns: 25 } }
  )

  it.scoped("loses none when a take is interrupted, at whatever step", () =>
    Effect.gen(function* () {
      const interrupted: Array<number> = []
      for (let step = 1; step <= 240; step++) {
        yield* Effect.gen(function* () {
          const { alive, borrow, pool } = yield* makePool({ poolMin: 1, poolMax: 1 })
          const interrupt = () => {
            interrupted.push(step)
            fiber.unsafeInterruptAsFork(FiberId.none)
          }
          const fiber: Fiber.RuntimeFiber<void> = yield* borrow.pipe(
            Effect.withScheduler(yieldAt(step, interrupt)),
            Effect.asVoid,
            Effect.fork
          )
          yield* Fiber.await(fiber)
          yield* settle
          assert.strictEqual(alive.size, (yield* pool.metrics).idle, `interrupted at step ${step}`)
        }).pipe(Effect.scoped)
      }
      assert.isAbove(interrupted.length, 100)
      assert.notInclude(interrupted, 240, "a take has more steps than were tried")
    })
  )

  it.scoped("leaves none when its scope ends while it fills or retires, at whatever step", () =>
    Effect.gen(function* () {
      const closed: Array<number> = []
      for (let step = 1; step <= 501; step += 4) {
        const outer = yield* Scope.make()
        let close: (() => void) | undefined
        const house = yield* makePool({ poolMin: 2 }).pipe(
          Effect.withScheduler(
            yieldAt(
              step,
              () => close?.(),
              () => close !== undefined
            )
          ),
          Scope.extend(outer)
        )
        close = () => {
          closed.push(step)
          Effect.runFork(Scope.close(house.scope, Exit.void))
        }
        yield* TestClock.adjust("300 seconds")
        yield* settle
        yield* Scope.close(outer, Exit.void)
        yield* settle
        assert.strictEqual(house.alive.size, 0, `closed at step ${step}`)
      }
      assert.isAbove(closed.length, 50)
      assert.notInclude(closed, 501, "there are more steps than were tried")
    })
  )
})
