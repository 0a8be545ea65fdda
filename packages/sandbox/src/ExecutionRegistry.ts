import {
  ExecutionEnded,
  ExecutionExists,
  type ExecutionId,
  ExecutionNotFound,
  type ExecutionRecord,
  type ExecutionResult,
  type ExecutionState,
  type ExecutionSummary,
  type UserId,
  type Verdict
} from "@bulkhead/domain"
import { Clock, Deferred, Effect, type Types } from "effect"
import { type KillRequest, KillSwitch } from "./KillSwitch.js"
import { ResultShelf } from "./ResultShelf.js"

/** Ended executions that can still be listed. */
const endedKept = 1000

export interface RegisteredExecution {
  readonly summary: ExecutionSummary
  readonly killSwitch: KillSwitch
}

interface Entry extends RegisteredExecution {
  readonly summary: Types.Mutable<ExecutionSummary>
}

/** How an execution ended. Work that was turned away, or ran elsewhere, has no result. */
export interface End {
  readonly verdict: Verdict
  readonly result?: ExecutionResult
}

export interface Counts {
  readonly active: number
  readonly queued: number
  readonly users: number
}

/** Every execution that waits or runs, and the latest that ended. */
export interface ExecutionRegistry {
  readonly register: (
    execution: Pick<ExecutionSummary, "executionId" | "userId" | "state" | "language">
  ) => Effect.Effect<RegisteredExecution, ExecutionExists>
  readonly enter: (executionId: ExecutionId, state: ExecutionState) => Effect.Effect<void>
  /** Moves an execution to those that have ended. */
  readonly end: (executionId: ExecutionId, end: End) => Effect.Effect<void>
  readonly kill: (
    executionId: ExecutionId,
    request: KillRequest
  ) => Effect.Effect<void, ExecutionNotFound | ExecutionEnded>
  /** Asks every execution that matches to end. */
  readonly killAll: (states: ReadonlyArray<ExecutionState>, request: KillRequest) => Effect.Effect<void>
  /** One execution, with its result if that is still kept. */
  readonly find: (executionId: ExecutionId) => Effect.Effect<ExecutionRecord, ExecutionNotFound>
  readonly list: Effect.Effect<ReadonlyArray<ExecutionSummary>>
  /** Of everyone, or of one user. */
  readonly counts: (userId?: UserId) => Effect.Effect<Counts>
  /** Returns when nothing waits or runs. */
  readonly idle: Effect.Effect<void>
}

export const make: Effect.Effect<ExecutionRegistry> = Effect.sync(() => {
  const live = new Map<ExecutionId, Entry>()
  const ended = new Map<ExecutionId, ExecutionSummary>()
  const results = new ResultShelf()
  const idleWaiters = new Set<Deferred.Deferred<void>>()

  const register: ExecutionRegistry["register"] = Effect.fnUntraced(function* (execution) {
    const { executionId } = execution
    if (live.has(executionId) || ended.has(executionId)) return yield* new ExecutionExists({ executionId })
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

  const forgetOldest = () => {
    const oldest = ended.keys().next()
    if (!oldest.done && ended.size > endedKept) ended.delete(oldest.value)
  }

  const end: ExecutionRegistry["end"] = Effect.fnUntraced(function* (executionId, { verdict, result }) {
    const entry = live.get(executionId)
    if (!entry) return
    const endedAt = yield* Clock.currentTimeMillis
    live.delete(executionId)
    ended.set(executionId, { ...entry.summary, state: "ended", endedAt, verdict })
    if (result) results.put(result)
    forgetOldest()
    if (live.size === 0) for (const waiter of idleWaiters) yield* Deferred.succeed(waiter, undefined)
  })

  const find: ExecutionRegistry["find"] = (executionId) =>
    Effect.suspend(() => {
      const summary = live.get(executionId)?.summary ?? ended.get(executionId)
      if (!summary) return new ExecutionNotFound({ executionId })
      const result = results.get(executionId)
      return Effect.succeed({ ...summary, ...(result ? { result } : {}) })
    })

  const kill: ExecutionRegistry["kill"] = (executionId, request) =>
    Effect.suspend((): Effect.Effect<void, ExecutionNotFound | ExecutionEnded> => {
      const entry = live.get(executionId)
      if (entry) return Effect.sync(() => entry.killSwitch.press(request))
      return ended.has(executionId)
        ? new ExecutionEnded({ executionId })
        : new ExecutionNotFound({ executionId })
    })

  const killAll: ExecutionRegistry["killAll"] = (states, request) =>
    Effect.sync(() => {
      for (const { killSwitch, summary } of [...live.values()]) {
        if (states.includes(summary.state)) killSwitch.press(request)
      }
    })

  const list = Effect.sync(() =>
    [...ended.values(), ...[...live.values()].map((entry) => ({ ...entry.summary }))].reverse()
  )

  const counts: ExecutionRegistry["counts"] = (userId) =>
    Effect.sync(() => {
      const users = new Set<UserId>()
      let queued = 0
      let active = 0
      for (const { summary } of live.values()) {
        if (userId !== undefined && summary.userId !== userId) continue
        users.add(summary.userId)
        if (summary.state === "queued") queued++
        else active++
      }
      return { active, queued, users: users.size }
    })

  const idle = Effect.gen(function* () {
    if (live.size === 0) return
    const waiter = yield* Deferred.make<void>()
    idleWaiters.add(waiter)
    yield* Effect.ensuring(
      Deferred.await(waiter),
      Effect.sync(() => idleWaiters.delete(waiter))
    )
  })

  return { register, enter, end, kill, killAll, find, list, counts, idle }
})
