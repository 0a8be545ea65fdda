import { ExecutionId, SystemAtCapacity, UserId } from "@bulkhead/domain"
import { Admission, Limits } from "@bulkhead/sandbox"
import { Deferred, Duration, Effect, FiberSet, Layer, Ref, Schema } from "effect"
import * as Interleave from "./Interleave.js"
import * as Machine from "./Machine.js"
import { MeasurementFailure, Spread, spread } from "./Measurement.js"
import type { Options } from "./Options.js"

/** What it costs to enter the queue, get a turn and leave, while so many wait. */
const Cost = Schema.Struct({
  waiting: Schema.Number,
  /** Processor time of one such way. */
  micros: Spread,
  /** Each round's cost over the cost with the fewest waiting in the same round. */
  ratio: Spread
})

export const Result = Schema.Array(Cost)

const perUser = 10

/** More would take minutes: filling the longest queue is most of the work. */
const mostRounds = 3

/** How many times the turns of one measurement are taken before the first counts. */
const warmUp = 4

/** Seconds; longer than the measurement takes. */
const waitLimit = 3600

const executionId = ExecutionId.make("exec_bench")

const onePlace = (waiting: number) =>
  Layer.provide(
    Admission.layer,
    Limits.layer({ maxConcurrentSandboxes: 1, maxQueued: waiting + 1, maxQueueWait: waitLimit })
  )

const goAway = new SystemAtCapacity({ executionId, message: "that was all", retryAfter: 1 })

/** Each who has a turn lets another enter the queue, in a fiber of its own, until there were so many turns. */
const relay = Effect.fnUntraced(function* (users: number, turns: number) {
  const admission = yield* Admission
  const fibers = yield* FiberSet.make()
  // Not forked by one another: each would inherit all that its ancestors had.
  const fork = yield* FiberSet.runtime(fibers)<never>()
  const asked = yield* Ref.make(0)
  const taken = yield* Ref.make(0)
  const done = yield* Deferred.make<void>()
  const inPlace = Effect.suspend(() => Ref.updateAndGet(taken, (count) => count + 1)).pipe(
    Effect.flatMap((count) => {
      if (count < turns) return enter
      return count === turns ? Deferred.succeed(done, undefined) : Effect.void
    })
  )
  const enter: Effect.Effect<unknown> = Effect.map(
    Ref.getAndUpdate(asked, (count) => count + 1),
    (count) => {
      const userId = UserId.make(`user${count % users}`)
      fork(Effect.ignore(admission.withPermit({ executionId, userId }, () => Effect.void, inPlace)))
    }
  )
  return { enter, done: Deferred.await(done), allGone: FiberSet.awaitEmpty(fibers) }
})

/** Processor microseconds of one turn, with so many waiting all the time. */
const measureOne = (waiting: number, turns: number) =>
  Effect.gen(function* () {
    const admission = yield* Admission
    const first = { executionId, userId: UserId.make("holder") }
    yield* admission.enterNow(first)
    const { allGone, done, enter } = yield* relay(waiting / perUser, turns)
    yield* Effect.replicateEffect(enter, waiting, { discard: true })
    yield* Effect.repeat(Effect.delay(admission.occupancy, Duration.millis(1)), {
      until: ({ queued }) => queued === waiting
    })
    yield* Machine.collectGarbage
    const before = yield* Machine.ownCpuMs
    yield* admission.leave(first)
    yield* done
    const usedMs = (yield* Machine.ownCpuMs) - before
    yield* admission.dismiss(() => goAway)
    // Else they would still be leaving while the next queue is measured.
    yield* allGone
    return (usedMs * 1000) / turns
  }).pipe(
    Effect.scoped,
    Effect.provide(onePlace(waiting)),
    Effect.catchTag("SystemAtCapacity", ({ message }) => new MeasurementFailure({ message }))
  )

/** Measures queues of several lengths in turns. */
export const measure = Effect.fnUntraced(function* ({ rounds, turns, waiting }: Options) {
  const fewest = waiting[0] ?? 0
  yield* measureOne(fewest, turns * warmUp)
  const plan = Interleave.plan(waiting, [1], Math.min(rounds, mostRounds))
  const costs = yield* Effect.forEach(plan, ({ row, round }) =>
    Effect.map(measureOne(row, turns), (micros) => ({ waiting: row, round, micros }))
  )
  const of = (length: number) => costs.filter((cost) => cost.waiting === length).map(({ micros }) => micros)
  return waiting.map((length) => ({
    waiting: length,
    micros: spread(of(length)),
    ratio: spread(Interleave.ratios(of(length), of(fewest)))
  }))
})
