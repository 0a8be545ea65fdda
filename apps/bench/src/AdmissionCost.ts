import { ExecutionId, SystemAtCapacity, UserId } from "@bulkhead/domain"
import { Admission, KillSwitch, Limits } from "@bulkhead/sandbox"
import { type Context, Deferred, Effect, Layer, Runtime, Schema } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as Heap from "./Heap.js"
import * as Interleave from "./Interleave.js"
import type { Options } from "./Options.js"
import * as ProcessFacts from "./ProcessFacts.js"
import * as Statistics from "./Statistics.js"

type Service = Context.Tag.Service<Admission>

/** What it costs to enter the queue, get a turn and leave, while so many wait. */
const Cost = Schema.Struct({
  waiting: Schema.Number,
  /** Processor time of one such way. */
  micros: Statistics.Spread,
  /** Each round's cost over the cost with the fewest waiting in the same round. */
  ratio: Statistics.Spread
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
const relay = Effect.fnUntraced(function* (admission: Service, users: number, turns: number) {
  // Not forked by one another: each would inherit all that its ancestors had.
  const fork = Runtime.runFork(yield* Effect.runtime())
  const done = yield* Deferred.make<void>()
  let asked = 0
  let waits = 0
  let gone = 0
  let taken = 0
  const onWait = () => void waits++
  const inPlace = Effect.suspend(() => {
    taken++
    if (taken < turns) return enter
    return taken === turns ? Deferred.succeed(done, undefined) : Effect.void
  })
  const enter: Effect.Effect<unknown> = Effect.sync(() => {
    const userId = UserId.make(`user${asked++ % users}`)
    fork(
      Effect.ignore(admission.withPlace({ executionId, userId }, new KillSwitch(), onWait, inPlace))
    ).addObserver(() => void gone++)
  })
  return { enter, done: Deferred.await(done), waits: () => waits, areGone: () => gone === asked }
})

/** Processor microseconds of one turn, with so many waiting all the time. */
const measureOne = (waiting: number, turns: number) =>
  Effect.gen(function* () {
    const admission = yield* Admission
    const holder = UserId.make("holder")
    yield* admission.enterNow({ executionId, userId: holder })
    const { areGone, done, enter, waits } = yield* relay(admission, waiting / perUser, turns)
    yield* Effect.replicateEffect(enter, waiting, { discard: true })
    yield* Effect.repeat(Effect.yieldNow(), { until: () => waits() === waiting })
    yield* Heap.collect
    const before = yield* ProcessFacts.ownCpuMs
    yield* admission.leave(holder)
    yield* done
    const usedMs = (yield* ProcessFacts.ownCpuMs) - before
    yield* admission.dismiss(() => goAway)
    // Else they would still be leaving while the next queue is measured.
    yield* Effect.repeat(Effect.yieldNow(), { until: areGone })
    return (usedMs * 1000) / turns
  }).pipe(
    Effect.provide(onePlace(waiting)),
    Effect.catchTag("SystemAtCapacity", ({ message }) => new BenchFailure({ message }))
  )

/** Measures queues of several lengths in turns. */
export const measure = Effect.fnUntraced(function* ({ rounds, turns, waiting }: Options) {
  const fewest = waiting[0] ?? 0
  yield* measureOne(fewest, turns * warmUp)
  const plan = Interleave.plan(waiting, [1], Math.min(rounds, mostRounds))
  const costs = yield* Effect.forEach(plan, ({ row, round }) =>
    Effect.map(measureOne(row, turns), (micros) => ({ waiting: row, round, micros }))
  )
  const of = (length: number) => costs.filter((cost) => cost.waiting === length)
  const least = new Map(of(fewest).map(({ micros, round }) => [round, micros]))
  return waiting.map((length) => ({
    waiting: length,
    micros: Statistics.spread(of(length).map(({ micros }) => micros)),
    ratio: Statistics.spread(of(length).map(({ micros, round }) => micros / (least.get(round) ?? Number.NaN)))
  }))
})
