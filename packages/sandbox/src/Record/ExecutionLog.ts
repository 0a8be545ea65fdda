import {
  type EventLevel,
  type EventName,
  type ExecutionEvent,
  type ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  RecordUnavailable,
  type Usage,
  type UserId,
  type Verdict,
  type Webhook,
  type WebhookEvent
} from "@bulkhead/domain"
import { Clock, Context, Duration, Effect, Layer, Metric, Option, Schedule } from "effect"
import { counter, seconds } from "../Instruments/Labelled.js"
import * as SteadyClock from "../SteadyClock.js"
import type { Announcement } from "../Webhooks/Announcement.js"
import { Webhooks } from "../Webhooks/Webhooks.js"
import { type Entry, ExecutionStore, type StoreFailure } from "./ExecutionStore.js"

/** Whose event it is. */
interface Whose {
  readonly executionId: ExecutionId
  readonly userId: UserId
}

/** What happened. */
export interface LogEvent {
  readonly level: EventLevel
  readonly event: EventName
  readonly message: string
  readonly data?: Readonly<Record<string, unknown>>
}

/** How an execution ended, and what is to be known of it. */
export interface TerminalEvent extends LogEvent {
  readonly verdict: Verdict
  readonly result?: ExecutionResult
  readonly usage?: Usage
}

const eventOf = ({ executionId, userId }: Whose, event: LogEvent, timestamp: number): ExecutionEvent => ({
  timestamp,
  executionId,
  userId,
  level: event.level,
  event: event.event,
  message: event.message,
  ...(event.data === undefined ? {} : { data: event.data })
})

const endOf = ({ executionId }: Whose, { result, usage, verdict }: TerminalEvent, endedAt: number) => ({
  executionId,
  endedAt,
  verdict,
  ...(result ? { result } : {}),
  ...(usage ? { usage } : {})
})

const announced = (announcement: Announcement): ReadonlyArray<Entry> => [{ _tag: "Announced", announcement }]

/** The stages that webhooks may be told of. Every end is one too. */
const announcedStages: Partial<Record<EventName, WebhookEvent>> = {
  execution_queued: "execution.queued",
  execution_started: "execution.started"
}

const announcementOfStage = ({ executionId }: Whose, { event }: LogEvent, at: number) => {
  const stage = announcedStages[event]
  return stage === undefined ? [] : announced({ executionId, event: stage, at })
}

const announcementOfEnd = ({ executionId }: Whose, { result, verdict }: TerminalEvent, at: number) =>
  announced({
    executionId,
    event: "execution.completed",
    at,
    verdict,
    ...(result ? { result } : {})
  })

/** Seconds after which a store that cannot be written may be there again. */
const recovery = 5

/** An end waits to be kept once the store has failed: a lost connection is a matter of milliseconds. */
const untilKept = (commit: Effect.Effect<void, StoreFailure>) =>
  Effect.flatMap(SteadyClock.within(Duration.seconds(recovery)), (isInTime) =>
    Effect.retry(commit, { schedule: Schedule.spaced("250 millis"), while: () => isInTime })
  )

export const unavailable = (executionId: ExecutionId) =>
  new RecordUnavailable({
    executionId,
    message: "What happens cannot be recorded at present, so nothing is run",
    retryAfter: recovery
  })

const commitTime = seconds("bulkhead_store_commit_seconds", "How long it took until what happened was kept.")
const failures = counter("bulkhead_store_failures_total", "How often it could not be.")

const measured = (commit: Effect.Effect<void, StoreFailure>) =>
  Effect.timed(commit).pipe(
    Effect.flatMap(([time]) => Metric.update(commitTime, Duration.toSeconds(time))),
    Effect.tapError(() => Metric.increment(failures))
  )

/** Writes down what happens to executions, in the order in which it happens. */
export class ExecutionLog extends Context.Tag("@bulkhead/sandbox/ExecutionLog")<
  ExecutionLog,
  {
    /** An execution is known from here on, and who is to be told of it. */
    readonly began: (execution: ExecutionSummary, webhook?: Webhook) => Effect.Effect<void>
    /** Something happened to an execution. */
    readonly happened: (whose: Whose, event: LogEvent) => Effect.Effect<void>
    /**
     * An execution has ended. Returns when that is kept, and fails when it cannot be for 5 seconds; for a refusal,
     * which has no result to lose, when it cannot be now.
     */
    readonly ended: (whose: Whose, event: TerminalEvent) => Effect.Effect<void, StoreFailure>
    /** Returns when all that is known of an execution by now is kept. */
    readonly kept: (executionId: ExecutionId) => Effect.Effect<void, RecordUnavailable>
    /** Refuses work while what happens to it could not be recorded. */
    readonly checkWritable: (executionId: ExecutionId) => Effect.Effect<void, RecordUnavailable>
    /** Whether an execution has this id. One that cannot be asked for counts as unknown. */
    readonly knows: (executionId: ExecutionId) => Effect.Effect<boolean>
  }
>() {
  static readonly layer: Layer.Layer<ExecutionLog, never, ExecutionStore> = Layer.effect(
    ExecutionLog,
    Effect.map(Effect.all([ExecutionStore, Webhooks]), ([{ append, commit, find, ready }, { areSent }]) => ({
      began: (execution, webhook) => append([{ _tag: "Began", execution, ...(webhook ? { webhook } : {}) }]),
      happened: (whose, event) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          append([
            { _tag: "Happened", event: eventOf(whose, event, now) },
            ...(areSent ? announcementOfStage(whose, event, now) : [])
          ])
        ),
      ended: (whose, event) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          append([
            { _tag: "Happened", event: eventOf(whose, event, now) },
            { _tag: "Ended", end: endOf(whose, event, now) },
            ...(areSent ? announcementOfEnd(whose, event, now) : [])
          ])
        ).pipe(Effect.zipRight(measured(event.verdict === "Rejected" ? commit : untilKept(commit)))),
      kept: (executionId) => Effect.mapError(measured(commit), () => unavailable(executionId)),
      checkWritable: (executionId) => Effect.mapError(ready, () => unavailable(executionId)),
      knows: (executionId) =>
        Effect.match(find(executionId), { onFailure: () => false, onSuccess: Option.isSome })
    }))
  )
}
