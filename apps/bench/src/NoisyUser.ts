import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { Duration, Effect, Schema } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as MockService from "./MockService.js"
import type { Options } from "./Options.js"
import * as Statistics from "./Statistics.js"

const Waits = Schema.Struct({
  /** Requests of the noisy user that wait meanwhile. */
  noisyQueued: Schema.Number,
  /** Turns that others had while one request waited. */
  turns: Statistics.Spread,
  /** How long one request waited. */
  waitMs: Statistics.Spread
})

/** How long requests of one user wait for the only place, asked for one after the other, without and with a noisy user. */
export const Result = Schema.Struct({ programMs: Schema.Number, alone: Waits, beside: Waits })

const programMs = 20

/** Before it asks again, so that whoever has the place by then has its sandbox too. */
const pause = Duration.millis(programMs / 2)

const program: MockSandboxProvider.MockProgram = () =>
  Effect.delay(Effect.succeed({ exitCode: 0 }), Duration.millis(programMs))

/** How many sandboxes were made between asking and one's own, and the wait. Nobody but the noisy user makes any. */
const askOnce = Effect.gen(function* () {
  const { created } = yield* MockSandboxProvider.MockSandboxes
  const before = (yield* created).length
  const { executionId, metrics } = yield* MockService.complete("quiet")
  const own = (yield* created).findIndex(({ options }) => options.metadata.executionId === executionId)
  if (own < before) return yield* new BenchFailure({ message: "fairness: a sandbox is missing" })
  return { turns: own - before, waitMs: metrics.queueTimeMs ?? 0 }
})

const ask = Effect.fnUntraced(function* (times: number) {
  const { getSystemMetrics } = yield* SandboxService
  const { queuedExecutions } = yield* getSystemMetrics
  const asked = yield* Effect.replicateEffect(Effect.delay(askOnce, pause), times)
  return {
    noisyQueued: queuedExecutions,
    turns: Statistics.spread(asked.map(({ turns }) => turns)),
    waitMs: Statistics.spread(asked.map(({ waitMs }) => waitMs))
  }
})

const untilQueued = (wanted: number) =>
  Effect.flatMap(SandboxService, ({ getSystemMetrics }) => getSystemMetrics).pipe(
    Effect.delay(Duration.millis(1)),
    Effect.repeat({ until: ({ queuedExecutions }) => queuedExecutions >= wanted })
  )

/** Puts a user who asks for everything at once beside one who asks for one thing at a time. */
export const measure = ({ noisy, quiet }: Options) =>
  Effect.gen(function* () {
    yield* MockService.ready
    yield* ask(quiet)
    const alone = yield* ask(quiet)
    yield* Effect.replicateEffect(Effect.forkScoped(MockService.complete("noisy")), noisy + 1)
    yield* untilQueued(noisy)
    return { programMs, alone, beside: yield* ask(quiet) }
  }).pipe(
    Effect.scoped,
    Effect.provide(
      MockService.layer(
        {
          maxConcurrentSandboxes: 1,
          maxQueued: noisy * 2,
          maxQueuedPerUser: noisy * 2,
          killGracePeriod: 0.1
        },
        program
      )
    )
  )
