import {
  type EventLevel,
  type EventName,
  type ExecutionEvent,
  type ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  executionError,
  RecordUnavailable,
  type Usage,
  type UserId,
  type Verdict
} from "@bulkhead/domain"
import { Effect, Option } from "effect"
import { ArtifactGate } from "../ArtifactGate.js"
import * as Results from "../Execution/Results.js"
import { type Entry, ExecutionStore, type StoreFailure } from "./ExecutionStore.js"

/** Whose line it is. */
interface Whose {
  readonly executionId: ExecutionId
  readonly userId: UserId
}

interface Line {
  readonly level: EventLevel
  readonly event: EventName
  readonly message: string
  readonly data?: Readonly<Record<string, unknown>>
}

/** How an execution ended: its terminal event, and what is to be known of it. */
export interface Ending extends Line {
  readonly verdict: Verdict
  readonly result?: ExecutionResult
  readonly usage?: Usage
}

/** What the service writes down, in the order in which it happens. */
export interface Books {
  /** An execution is known from here on. */
  readonly began: (execution: ExecutionSummary) => void
  /** Something happened to an execution. */
  readonly happened: (
    whose: Whose,
    level: EventLevel,
    event: EventName,
    message: string,
    data?: Readonly<Record<string, unknown>>
  ) => void
  /** An execution has ended. Returns when that is kept, and fails when it cannot be. */
  readonly ended: (whose: Whose, ending: Ending) => Effect.Effect<void, StoreFailure>
  /** Returns when all that is known of an execution by now is kept. */
  readonly kept: (executionId: ExecutionId) => Effect.Effect<void, RecordUnavailable>
  /** Refuses work while what happens to it could not be recorded. */
  readonly open: (executionId: ExecutionId) => Effect.Effect<void, RecordUnavailable>
  /** Whether an execution has this id. One that cannot be asked for counts as unknown. */
  readonly knows: (executionId: ExecutionId) => Effect.Effect<boolean>
}

const happenedEntry = (
  { executionId, userId }: Whose,
  { data, event, level, message }: Line,
  timestamp: number
): Entry => {
  const happened: ExecutionEvent = { timestamp, executionId, userId, level, event, message }
  return { _tag: "Happened", event: data === undefined ? happened : { ...happened, data } }
}

const endedEntry = ({ executionId }: Whose, { result, usage, verdict }: Ending, endedAt: number): Entry => ({
  _tag: "Ended",
  end: { executionId, endedAt, verdict, ...(result ? { result } : {}), ...(usage ? { usage } : {}) }
})

/** Seconds after which books that cannot be written may be open again. */
const recovery = 5

export const unavailable = (executionId: ExecutionId) =>
  new RecordUnavailable({
    executionId,
    message: "What happens cannot be recorded at present, so nothing is run",
    retryAfter: recovery
  })

export const make: Effect.Effect<Books, never, ExecutionStore> = Effect.gen(function* () {
  const { commit, find, ready, write } = yield* ExecutionStore
  const clock = yield* Effect.clock
  return {
    began: (execution) => write([{ _tag: "Began", execution }]),
    happened: (whose, level, event, message, data) => {
      const line = { level, event, message, ...(data ? { data } : {}) }
      write([happenedEntry(whose, line, clock.unsafeCurrentTimeMillis())])
    },
    ended: (whose, ending) =>
      Effect.suspend(() => {
        const now = clock.unsafeCurrentTimeMillis()
        write([happenedEntry(whose, ending, now), endedEntry(whose, ending, now)])
        return commit
      }),
    kept: (executionId) => Effect.mapError(commit, () => unavailable(executionId)),
    open: (executionId) => Effect.mapError(ready, () => unavailable(executionId)),
    knows: (executionId) =>
      Effect.match(find(executionId), { onFailure: () => false, onSuccess: Option.isSome })
  }
})

/** Ends what an earlier life of this instance left unfinished. */
export const closeUnfinished = Effect.fnUntraced(function* (books: Books) {
  const store = yield* ExecutionStore
  const gate = yield* ArtifactGate
  for (const execution of yield* store.unfinished) {
    const { executionId, state } = execution
    const message = "The service stopped before the execution ended"
    const result = Results.withoutRun(
      { executionId, retries: 0 },
      "InternalError",
      executionError("INTERNAL_ERROR", message)
    )
    yield* gate.forget(executionId)
    yield* books.ended(execution, {
      level: "error",
      event: "execution_failed",
      message,
      verdict: "InternalError",
      ...(state === "tracked" ? {} : { result })
    })
  }
})
