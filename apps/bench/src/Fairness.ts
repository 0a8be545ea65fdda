import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { Duration, Effect, Schema } from "effect"
import { MeasurementFailure, Spread, spread } from "./Measurement.js"
import type { Options } from "./Options.js"
import * as ServiceOnMock from "./ServiceOnMock.js"

const Waits = Schema.Struct({
  /** Requests of the noisy user that wait meanwhile. */
  noisyQueued: Schema.Number,
  /** Turns that others had while one request waited. */
  turns: Spread,
  /** How long one request waited. */
  waitMs: Spread
})
export type Waits = typeof Waits.Type

/** How long requests of one user, one after the other, wait for the only place, without and with a noisy user. */
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
  const { executionId, metrics } = yield* ServiceOnMock.complete("quiet")
  const own = (yield* created).findIndex(({ options }) => options.metadata.executionId === executionId)
  if (own < before) return yield* new MeasurementFailure({ message: "fairness: a sandbox is missing" })
  return { turns: own - before, waitMs: metrics.queueTimeMs ?? 0 }
})

const ask = Effect.fnUntraced(function* (times: number) {
  const { getSystemMetrics } = yield* SandboxService
  const { queuedExecutions } = yield* getSystemMetrics
  const asked = yield* Effect.replicateEffect(Effect.delay(askOnce, pause), times)
  return {
    noisyQueued: queuedExecutions,
    turns: spread(asked.map(({ turns }) => turns)),
    waitMs: spread(asked.map(({ waitMs }) => waitMs))
  }
})

const askBeside = Effect.fnUntraced(function* ({ noisy, quiet }: Options) {
  yield* ServiceOnMock.ready
  yield* ask(quiet)
  const alone = yield* ask(quiet)
  const giveBack = yield* ServiceOnMock.holdPlaces(1)
  // One of them takes the place.
  yield* Effect.replicateEffect(Effect.forkScoped(ServiceOnMock.complete("noisy")), noisy + 1)
  yield* ServiceOnMock.untilQueued(noisy + 1)
  yield* giveBack
  return { programMs, alone, beside: yield* ask(quiet) }
}, Effect.scoped)

/** Puts a user who asks for everything at once beside one who asks for one thing at a time. */
export const measure = (options: Options) =>
  Effect.provide(
    askBeside(options),
    ServiceOnMock.layer(
      {
        maxConcurrentSandboxes: 1,
        maxQueued: options.noisy * 2,
        maxQueuedPerUser: options.noisy * 2,
        killGracePeriod: 0.1
      },
      program
    )
  )
