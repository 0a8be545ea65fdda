import { SandboxService } from "@bulkhead/sandbox"
import { Duration, Effect, Schema } from "effect"
import * as Heap from "./Heap.js"
import * as MockService from "./MockService.js"
import type { Options } from "./Options.js"

/** What those who wait hold of the heap. */
export const Result = Schema.Struct({ queued: Schema.Number, users: Schema.Number, bytesEach: Schema.Number })

const places = 50
const users = 1000

/** Longer than the measurement takes. */
const waitLimit = 3600

const untilQueued = (wanted: number) =>
  Effect.flatMap(SandboxService, ({ getSystemMetrics }) => getSystemMetrics).pipe(
    Effect.delay(Duration.millis(10)),
    Effect.repeat({
      until: ({ activeExecutions, queuedExecutions }) =>
        activeExecutions === places && queuedExecutions === wanted
    })
  )

/** Lets requests wait for places in which programs run that never end, and weighs them. */
export const measure = ({ queued }: Options) =>
  Effect.gen(function* () {
    yield* MockService.ready
    yield* Effect.forEach(Array(places).keys(), (at) =>
      Effect.forkScoped(MockService.complete(`holder${at}`))
    )
    yield* untilQueued(0)
    const before = yield* Heap.held
    yield* Effect.forEach(Array(queued).keys(), (at) =>
      Effect.forkScoped(MockService.complete(`user${at % users}`))
    )
    yield* untilQueued(queued)
    return { queued, users, bytesEach: ((yield* Heap.held) - before) / queued }
  }).pipe(
    Effect.scoped,
    Effect.provide(
      MockService.layer(
        {
          maxConcurrentSandboxes: places,
          maxQueued: queued,
          maxQueueWait: waitLimit,
          killGracePeriod: 0.1
        },
        () => Effect.never
      )
    )
  )
