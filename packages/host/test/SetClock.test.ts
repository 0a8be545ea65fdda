import { EmbeddedHost } from "@bulkhead/host"
import { assert, describe, it } from "@effect/vitest"
import { Sandbox } from "e2b"
import { Clock, Effect, Option, TestClock } from "effect"
import { withChangedClock } from "../../sandbox/test/ChangedClock.js"
import * as SandboxMetrics from "../src/ControlPlane/SandboxMetrics.js"
import { connection, sandbox } from "./Fixtures.js"

const hour = 3_600_000

/** Runs an effect where the time of day can be set. Time goes on as before. */
const whereSet = <A, E, R>(body: (set: (by: number) => void) => Effect.Effect<A, E, R>) => {
  let setBy = 0
  return withChangedClock((clock) => ({
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + setBy),
    unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + setBy
  }))(
    body((by) => {
      setBy = by
    })
  )
}

describe("a clock that is set", () => {
  it.live("neither ends a sandbox nor lets it live longer", () =>
    whereSet((set) =>
      Effect.gen(function* () {
        const here = yield* sandbox({ timeoutMs: 600_000 })
        const where = yield* connection
        const connect = (timeoutMs: number) =>
          Effect.promise(() => Sandbox.connect(here.sandboxId, { ...where, timeoutMs }))
        const end = Effect.promise(async () => (await here.getInfo()).endAt.getTime())
        const timeLeft = Effect.zipWith(end, Clock.currentTimeMillis, (at, now) => at - now)
        const begun = yield* end

        set(hour)
        yield* connect(1000)
        assert.strictEqual(yield* end, begun, "less time than is left")

        set(-hour)
        yield* connect(900_000)
        const longer = yield* timeLeft
        assert.isTrue(longer > 800_000 && longer <= 900_000, `${longer} ms are left`)

        set(25 * hour)
        yield* Effect.promise(() => here.setTimeout(60_000))
        const left = yield* timeLeft
        assert.isTrue(left > 0 && left <= 60_000, `${left} ms are left`)
        assert.isTrue(yield* Effect.promise(() => here.isRunning()))
      }).pipe(Effect.scoped, Effect.provide(EmbeddedHost.layer()))
    )
  )

  it.effect("does not change the share of its processors that a sandbox used", () =>
    Effect.flatMap(TestClock.testClock(), (clock) =>
      whereSet((set) =>
        Effect.gen(function* () {
          let cpuMicros = 0
          const usage = Effect.sync(() =>
            Option.some({ cpuMicros, memoryBytes: 1, cacheBytes: 0, diskBytes: 0, diskTotalBytes: 1 })
          )
          const metrics = SandboxMetrics.make(usage, 0, 1)
          set(-hour)
          cpuMicros = 5_000_000
          yield* clock.adjust("10 seconds")
          const [sample] = yield* metrics.read
          assert.closeTo((sample?.cpuUsedPct ?? 0) * (sample?.cpuCount ?? 0), 50, 0.1)
          assert.strictEqual(sample?.at, 10_000 - hour)
        })
      )
    )
  )
})
