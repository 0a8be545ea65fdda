import {
  type ExecutionEvent,
  type ExecutionId,
  ExecutionNotFound,
  type ExecutionRecord,
  type ExecutionSummary,
  largestPage,
  type PageRequest
} from "@bulkhead/domain"
import { Effect, Option, Stream } from "effect"
import { Admission } from "../Admission/Admission.js"
import {
  type EventQuery,
  type ExecutionQuery,
  ExecutionStore,
  type StoreFailure,
  type UsageQuery
} from "../Record/ExecutionStore.js"
import { LiveExecutions } from "./LiveExecutions.js"
import { Peers } from "./OwnExecutions.js"

const newestFirst = (executions: ReadonlyArray<ExecutionSummary>) =>
  executions.toSorted((a, b) => b.startedAt - a.startedAt)

/** What can be asked about executions: those that wait or run here, those of other servers, and those that are kept. */
export const make = Effect.gen(function* () {
  const admission = yield* Admission
  const live = yield* LiveExecutions
  const peers = yield* Peers
  const store = yield* ExecutionStore

  /** So that whoever asks finds what has just happened. A store that cannot be written may still be read. */
  const upToDate = Effect.ignore(store.commit)

  /** Says of what waits how many are before it. */
  const placed = (execution: ExecutionSummary): Effect.Effect<ExecutionSummary> =>
    execution.state === "queued"
      ? Effect.map(
          admission.aheadOf(execution),
          Option.match({ onNone: () => execution, onSome: (ahead) => ({ ...execution, ahead }) })
        )
      : Effect.succeed(execution)

  const findLive = (executionId: ExecutionId) =>
    Effect.flatMap(live.find(executionId), (running) =>
      running === undefined ? Effect.succeed(undefined) : placed(running)
    )

  const findElsewhere = (executionId: ExecutionId) =>
    Effect.flatMap(
      peers.find(executionId),
      Option.match({ onNone: () => Effect.succeedNone, onSome: (running) => Effect.asSome(placed(running)) })
    )

  const find = Effect.fnUntraced(function* (
    executionId: ExecutionId
  ): Effect.fn.Return<ExecutionRecord, ExecutionNotFound | StoreFailure> {
    const running = yield* findLive(executionId)
    if (running !== undefined) return running
    yield* upToDate
    const kept = yield* store.find(executionId)
    if (Option.isSome(kept) && kept.value.state === "ended") return kept.value
    const elsewhere = yield* findElsewhere(executionId)
    if (Option.isSome(elsewhere)) return elsewhere.value
    // It may have ended while the others were asked.
    const again = yield* store.find(executionId)
    return Option.isSome(again) ? again.value : yield* new ExecutionNotFound({ executionId })
  })

  const events = Effect.fnUntraced(function* (executionId: ExecutionId, query: EventQuery = {}) {
    yield* upToDate
    const page = yield* store.events(executionId, query)
    if (page.items.length === 0) yield* find(executionId)
    return page
  })

  const logs = Effect.fnUntraced(function* (
    executionId: ExecutionId,
    filter: Omit<EventQuery, keyof PageRequest> = {}
  ) {
    const pages = yield* Stream.runCollect(
      Stream.paginateEffect<
        string | undefined,
        ReadonlyArray<ExecutionEvent>,
        StoreFailure | ExecutionNotFound,
        never
      >(undefined, (cursor) =>
        Effect.map(
          events(executionId, { ...filter, limit: largestPage, ...(cursor ? { cursor } : {}) }),
          (page) => [page.items, Option.fromNullable(page.nextCursor)]
        )
      )
    )
    return [...pages].flat()
  })

  /** What waits or runs has no verdict yet. */
  const listLive = Effect.fnUntraced(function* ({ from, state, to, userId, verdict }: ExecutionQuery) {
    const own = yield* live.list
    const others = yield* peers.list
    const wanted = newestFirst([...own, ...others]).filter(
      (execution) =>
        verdict === undefined &&
        execution.state === state &&
        (userId === undefined || execution.userId === userId) &&
        (from === undefined || execution.startedAt >= from) &&
        (to === undefined || execution.startedAt < to)
    )
    return { items: yield* Effect.forEach(wanted, placed) }
  })

  /** What waits or runs: here, and where some of it may be of other servers, there too. */
  const allLive = Effect.fnUntraced(function* (asksOthers: boolean) {
    const own = yield* live.list
    const others = asksOthers ? yield* peers.list : []
    return new Map([...others, ...own].map((execution) => [execution.executionId, execution]))
  })

  const list = Effect.fnUntraced(function* (query: ExecutionQuery = {}) {
    if (query.state !== undefined && query.state !== "ended") return yield* listLive(query)
    yield* upToDate
    const page = yield* store.list(query)
    // The store knows when an execution began and ended; what it does between is known where it runs.
    const running = yield* allLive(page.items.some(({ state }) => state !== "ended"))
    const items = yield* Effect.forEach(page.items, (kept) => {
      const known = running.get(kept.executionId)
      return known === undefined ? Effect.succeed(kept) : placed(known)
    })
    return { ...page, items }
  })

  return {
    find,
    list,
    events,
    logs,
    usage: (query: UsageQuery = {}) => Effect.zipRight(upToDate, store.usage(query)),
    verifyAudit: Effect.zipRight(upToDate, store.verify)
  }
})
