import {
  ExecutionExists,
  type ExecutionId,
  type ExecutionState,
  type ExecutionSummary,
  ShuttingDown
} from "@bulkhead/domain"
import { Clock, Context, Effect, Layer } from "effect"
import * as KillSwitch from "../Supervision/KillSwitch.js"

/** An execution that waits or runs. */
export interface LiveExecution {
  /** As it was when it was registered. */
  readonly summary: ExecutionSummary
  readonly killSwitch: KillSwitch.KillSwitch
}

/** Seconds after which another instance, or this one restarted, is likely to be there. */
const restartTime = 10

/** The refusal of work that comes, or waits, when the service shuts down. */
export const shuttingDown = (executionId: ExecutionId) =>
  new ShuttingDown({ executionId, message: "The service is shutting down", retryAfter: restartTime })

/** Every execution that waits or runs, with what asks it to end. */
export class LiveExecutions extends Context.Tag("@bulkhead/sandbox/LiveExecutions")<
  LiveExecutions,
  {
    readonly register: (
      execution: Pick<ExecutionSummary, "executionId" | "userId" | "state" | "language" | "image" | "traceId">
    ) => Effect.Effect<LiveExecution, ExecutionExists>
    readonly enter: (executionId: ExecutionId, state: ExecutionState) => Effect.Effect<void>
    /** Strikes off an execution that has ended. */
    readonly end: (executionId: ExecutionId) => Effect.Effect<void>
    /** Asks an execution to end. Whether it waits or runs. */
    readonly kill: (executionId: ExecutionId, request: KillSwitch.KillRequest) => Effect.Effect<boolean>
    /** Asks every execution that is in one of these states to end. */
    readonly killAll: (
      states: ReadonlyArray<ExecutionState>,
      request: KillSwitch.KillRequest
    ) => Effect.Effect<void>
    readonly find: (executionId: ExecutionId) => Effect.Effect<ExecutionSummary | undefined>
    /** Newest first. */
    readonly list: Effect.Effect<ReadonlyArray<ExecutionSummary>>
    /** Takes no new work from now on. */
    readonly close: Effect.Effect<void>
    readonly isClosed: Effect.Effect<boolean>
    /** Refuses new work once the service takes none. */
    readonly checkOpen: (executionId: ExecutionId) => Effect.Effect<void, ShuttingDown>
    /** Returns when nothing waits or runs. */
    readonly idle: Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<LiveExecutions> = Layer.effect(
    LiveExecutions,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const live = new Map<ExecutionId, LiveExecution & { state: ExecutionState }>()
  const anEnd = yield* Effect.makeLatch()
  let isClosed = false
  const idle: Effect.Effect<void> = Effect.suspend(() =>
    live.size === 0 ? Effect.void : Effect.zipRight(anEnd.await, idle)
  )

  const summaryOf = ({ state, summary }: { readonly summary: ExecutionSummary; state: ExecutionState }) => ({
    ...summary,
    state
  })

  return LiveExecutions.of({
    register: Effect.fnUntraced(function* (execution) {
      const { executionId, state } = execution
      const killSwitch = yield* KillSwitch.make
      const startedAt = yield* Clock.currentTimeMillis
      if (live.has(executionId)) return yield* new ExecutionExists({ executionId })
      const entry = { summary: { ...execution, startedAt }, killSwitch, state }
      live.set(executionId, entry)
      return entry
    }),
    enter: (executionId, state) =>
      Effect.sync(() => {
        const entry = live.get(executionId)
        if (entry) entry.state = state
      }),
    end: (executionId) =>
      Effect.suspend(() => {
        live.delete(executionId)
        return Effect.asVoid(anEnd.release)
      }),
    kill: (executionId, request) =>
      Effect.suspend(() => {
        const entry = live.get(executionId)
        return entry ? Effect.as(entry.killSwitch.press(request), true) : Effect.succeed(false)
      }),
    killAll: (states, request) =>
      Effect.suspend(() =>
        Effect.forEach(
          [...live.values()].filter(({ state }) => states.includes(state)),
          ({ killSwitch }) => killSwitch.press(request),
          { discard: true }
        )
      ),
    find: (executionId) =>
      Effect.sync(() => {
        const entry = live.get(executionId)
        return entry && summaryOf(entry)
      }),
    list: Effect.sync(() => [...live.values()].map(summaryOf).reverse()),
    close: Effect.sync(() => {
      isClosed = true
    }),
    isClosed: Effect.sync(() => isClosed),
    checkOpen: (executionId) =>
      Effect.suspend(() => (isClosed ? Effect.fail(shuttingDown(executionId)) : Effect.void)),
    idle
  })
})
