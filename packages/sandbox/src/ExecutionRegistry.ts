import {
  ExecutionExists,
  type ExecutionId,
  type ExecutionState,
  type ExecutionSummary
} from "@bulkhead/domain"
import { Clock, Deferred, Effect, type Types } from "effect"
import { type KillRequest, KillSwitch } from "./KillSwitch.js"

export interface RegisteredExecution {
  readonly summary: ExecutionSummary
  readonly killSwitch: KillSwitch
}

interface Entry extends RegisteredExecution {
  readonly summary: Types.Mutable<ExecutionSummary>
}

/** Every execution that waits or runs. */
export interface ExecutionRegistry {
  readonly register: (
    execution: Pick<ExecutionSummary, "executionId" | "userId" | "state" | "language">
  ) => Effect.Effect<RegisteredExecution, ExecutionExists>
  readonly enter: (executionId: ExecutionId, state: ExecutionState) => Effect.Effect<void>
  /** Strikes off an execution that has ended. */
  readonly end: (executionId: ExecutionId) => Effect.Effect<void>
  /** Asks an execution to end. Whether it waits or runs. */
  readonly kill: (executionId: ExecutionId, request: KillRequest) => Effect.Effect<boolean>
  /** Asks every execution that matches to end. */
  readonly killAll: (states: ReadonlyArray<ExecutionState>, request: KillRequest) => Effect.Effect<void>
  readonly find: (executionId: ExecutionId) => ExecutionSummary | undefined
  /** Newest first. */
  readonly list: Effect.Effect<ReadonlyArray<ExecutionSummary>>
  /** Returns when nothing waits or runs. */
  readonly idle: Effect.Effect<void>
}

export const make: Effect.Effect<ExecutionRegistry> = Effect.sync(() => {
  const live = new Map<ExecutionId, Entry>()
  const idleWaiters = new Set<Deferred.Deferred<void>>()

  const register: ExecutionRegistry["register"] = Effect.fnUntraced(function* (execution) {
    const { executionId } = execution
    if (live.has(executionId)) return yield* new ExecutionExists({ executionId })
    const startedAt = yield* Clock.currentTimeMillis
    const entry: Entry = { summary: { ...execution, startedAt }, killSwitch: new KillSwitch() }
    live.set(executionId, entry)
    return entry
  })

  const enter: ExecutionRegistry["enter"] = (executionId, state) =>
    Effect.sync(() => {
      const entry = live.get(executionId)
      if (entry) entry.summary.state = state
    })

  const end: ExecutionRegistry["end"] = Effect.fnUntraced(function* (executionId) {
    live.delete(executionId)
    if (live.size === 0) for (const waiter of idleWaiters) yield* Deferred.succeed(waiter, undefined)
  })

  const kill: ExecutionRegistry["kill"] = (executionId, request) =>
    Effect.sync(() => {
      const entry = live.get(executionId)
      entry?.killSwitch.press(request)
      return entry !== undefined
    })

  const killAll: ExecutionRegistry["killAll"] = (states, request) =>
    Effect.sync(() => {
      for (const { killSwitch, summary } of [...live.values()]) {
        if (states.includes(summary.state)) killSwitch.press(request)
      }
    })

  const find: ExecutionRegistry["find"] = (executionId) => {
    const entry = live.get(executionId)
    return entry && { ...entry.summary }
  }

  const list = Effect.sync(() => [...live.values()].map(({ summary }) => ({ ...summary })).reverse())

  const idle = Effect.gen(function* () {
    if (live.size === 0) return
    const waiter = yield* Deferred.make<void>()
    idleWaiters.add(waiter)
    yield* Effect.ensuring(
      Deferred.await(waiter),
      Effect.sync(() => idleWaiters.delete(waiter))
    )
  })

  return { register, enter, end, kill, killAll, find, list, idle }
})
