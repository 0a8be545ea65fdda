import {
  ExecutionExists,
  type ExecutionId,
  type ExecutionState,
  type ExecutionSummary
} from "@bulkhead/domain"
import { Effect, Either, type Types } from "effect"
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
  ) => Either.Either<RegisteredExecution, ExecutionExists>
  readonly enter: (executionId: ExecutionId, state: ExecutionState) => void
  /** Strikes off an execution that has ended. */
  readonly end: (executionId: ExecutionId) => void
  /** Asks an execution to end. Whether it waits or runs. */
  readonly kill: (executionId: ExecutionId, request: KillRequest) => boolean
  /** Asks every execution that matches to end. */
  readonly killAll: (states: ReadonlyArray<ExecutionState>, request: KillRequest) => void
  readonly find: (executionId: ExecutionId) => ExecutionSummary | undefined
  /** Newest first. */
  readonly list: () => ReadonlyArray<ExecutionSummary>
  /** Returns when nothing waits or runs. */
  readonly idle: Effect.Effect<void>
}

export const make: Effect.Effect<ExecutionRegistry> = Effect.map(Effect.clock, (clock) => {
  const live = new Map<ExecutionId, Entry>()
  const isIdle = Effect.unsafeMakeLatch(true)

  const register: ExecutionRegistry["register"] = (execution) => {
    const { executionId } = execution
    if (live.has(executionId)) return Either.left(new ExecutionExists({ executionId }))
    const startedAt = clock.unsafeCurrentTimeMillis()
    const entry: Entry = { summary: { ...execution, startedAt }, killSwitch: new KillSwitch() }
    live.set(executionId, entry)
    isIdle.unsafeClose()
    return Either.right(entry)
  }

  const enter: ExecutionRegistry["enter"] = (executionId, state) => {
    const entry = live.get(executionId)
    if (entry) entry.summary.state = state
  }

  const end: ExecutionRegistry["end"] = (executionId) => {
    live.delete(executionId)
    if (live.size === 0) isIdle.unsafeOpen()
  }

  const kill: ExecutionRegistry["kill"] = (executionId, request) => {
    const entry = live.get(executionId)
    entry?.killSwitch.press(request)
    return entry !== undefined
  }

  const killAll: ExecutionRegistry["killAll"] = (states, request) => {
    for (const { killSwitch, summary } of [...live.values()]) {
      if (states.includes(summary.state)) killSwitch.press(request)
    }
  }

  const find: ExecutionRegistry["find"] = (executionId) => {
    const entry = live.get(executionId)
    return entry && { ...entry.summary }
  }

  const list = () => [...live.values()].map(({ summary }) => ({ ...summary })).reverse()

  return { register, enter, end, kill, killAll, find, list, idle: isIdle.await }
})
