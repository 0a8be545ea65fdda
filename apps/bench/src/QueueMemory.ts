import { Effect, Schema } from "effect"
import * as Machine from "./Machine.js"
import type { Options } from "./Options.js"
import * as ServiceOnMock from "./ServiceOnMock.js"

/** What those who wait hold of the heap. */
export const Result = Schema.Struct({ queued: Schema.Number, users: Schema.Number, bytesEach: Schema.Number })

const places = 50
const users = 1000

/** Seconds; longer than the measurement takes. */
const waitLimit = 3600

const weigh = Effect.fnUntraced(function* (queued: number) {
  yield* ServiceOnMock.ready
  yield* ServiceOnMock.holdPlaces(places)
  const before = yield* Machine.heldBytes
  yield* Effect.forEach(Array(queued).keys(), (at) =>
    Effect.forkScoped(ServiceOnMock.complete(`user${at % users}`))
  )
  yield* ServiceOnMock.untilQueued(queued)
  return { queued, users, bytesEach: ((yield* Machine.heldBytes) - before) / queued }
}, Effect.scoped)

/** Lets requests wait while all places are taken, and weighs them. */
export const measure = ({ queued }: Options) =>
  Effect.provide(
    weigh(queued),
    ServiceOnMock.layer({
      maxConcurrentSandboxes: places,
      maxQueued: queued,
      maxQueueWait: waitLimit,
      killGracePeriod: 0.1
    })
  )
