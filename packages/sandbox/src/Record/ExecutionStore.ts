import type {
  AuditVerification,
  EventLevel,
  EventName,
  ExecutionEvent,
  ExecutionId,
  ExecutionRecord,
  ExecutionResult,
  ExecutionState,
  ExecutionSummary,
  Page,
  PageRequest,
  Usage,
  UserId,
  UserUsage,
  Verdict,
  Webhook
} from "@bulkhead/domain"
import { Context, type Effect, type Option, Schema } from "effect"
import type { Announcement } from "../Webhooks/Announcement.js"

/** The store cannot be written or read: a full disk, a lost database. The cause is for the operator's log alone. */
export class StoreFailure extends Schema.TaggedError<StoreFailure>()("StoreFailure", {
  message: Schema.String,
  /** Why, in words for everyone, where that is known. */
  reason: Schema.optional(Schema.String),
  cause: Schema.optional(Schema.Defect)
}) {}

/** How an execution ended. Work that was turned away, or ran elsewhere, has no result. */
export interface EndedExecution {
  readonly executionId: ExecutionId
  readonly endedAt: number
  readonly verdict: Verdict
  readonly result?: ExecutionResult
  readonly usage?: Usage
}

/**
 * One entry of the record. What is appended together is written together, whole or not at all. What is announced becomes
 * messages in the `Outbox`, in a store that has one; any other passes it over.
 */
export type Entry =
  | { readonly _tag: "Began"; readonly execution: ExecutionSummary; readonly webhook?: Webhook }
  | { readonly _tag: "Happened"; readonly event: ExecutionEvent }
  | { readonly _tag: "Ended"; readonly end: EndedExecution }
  | { readonly _tag: "Announced"; readonly announcement: Announcement }

export interface ExecutionQuery extends PageRequest {
  readonly userId?: UserId
  readonly state?: ExecutionState
  readonly verdict?: Verdict
  /** Began at or after; milliseconds since the epoch. */
  readonly from?: number
  /** Began before. */
  readonly to?: number
}

/** Which of an execution's events. */
export interface EventQuery extends PageRequest {
  readonly level?: EventLevel
  readonly event?: EventName
  /** Happened at or after; milliseconds since the epoch. */
  readonly from?: number
  /** Happened before. */
  readonly to?: number
}

export interface UsageQuery extends PageRequest {
  readonly userId?: UserId
  /** Ended at or after; milliseconds since the epoch. */
  readonly from?: number
  /** Ended before. */
  readonly to?: number
}

/**
 * The record of every execution: what happened to it, what came of it, and what it used.
 *
 * The service appends from many fibers at once, in the order in which things happen: that an execution began comes
 * before anything else of it. It commits before it answers, and asks for `unfinished` at its start and
 * as often as the reaper looks. The first beginning and the first end of an execution count, and later ones change nothing: whoever
 * was not told whether entries were written may append them again. Texts may hold anything, NUL and lone surrogates
 * too. Every call answers or fails in bounded time.
 *
 * `ExecutionStoreConformance.suite` of `@bulkhead/testing/conformance` tests what of this can be seen from outside.
 */
export class ExecutionStore extends Context.Tag("@bulkhead/sandbox/ExecutionStore")<
  ExecutionStore,
  {
    /**
     * Takes entries in, in this order, without waiting until they are written. Never fails: what became of them is what
     * the next `commit` says.
     */
    readonly append: (entries: ReadonlyArray<Entry>) => Effect.Effect<void>
    /** Fails while nothing can be written. Asked before each execution, which is refused then, so it must be cheap. */
    readonly ready: Effect.Effect<void, StoreFailure>
    /** Returns when everything that was appended before is written, and survives the death of this process. */
    readonly commit: Effect.Effect<void, StoreFailure>
    /** One execution, with its result if it has one that is still kept. */
    readonly find: (executionId: ExecutionId) => Effect.Effect<Option.Option<ExecutionRecord>, StoreFailure>
    /**
     * Newest first; those of one millisecond by their ids, from the last to the first, code unit by code unit. A cursor
     * stays good while entries are appended; one that the store did not give out leads to an empty page. So elsewhere.
     */
    readonly list: (query: ExecutionQuery) => Effect.Effect<Page<ExecutionSummary>, StoreFailure>
    /** What happened to one execution, oldest first. Of an unknown one there is nothing. */
    readonly events: (
      executionId: ExecutionId,
      query: EventQuery
    ) => Effect.Effect<Page<ExecutionEvent>, StoreFailure>
    /** What each user used, by the user's name, of the executions that ended with a usage. */
    readonly usage: (query: UsageQuery) => Effect.Effect<Page<UserUsage>, StoreFailure>
    /** Checks whether the audit log is as it was written, and says how many events it looked at. */
    readonly verify: Effect.Effect<AuditVerification, StoreFailure>
    /**
     * Executions that an earlier life of this instance began, or an instance that is gone, and that nobody ended; never
     * one that this life began. Whoever is given them has to end them. Nothing, for a store that does not outlive its
     * process.
     */
    readonly unfinished: Effect.Effect<ReadonlyArray<ExecutionSummary>, StoreFailure>
  }
>() {}
