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
import { Clock, Effect, Option } from "effect"
import { ArtifactGate } from "./ArtifactGate.js"
import { ExecutionStore } from "./ExecutionStore.js"
import * as Results from "./Results.js"

/** Whose line it is. */
type Whose = Pick<ExecutionSummary, "executionId" | "userId">

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

const eventOf = (
  { executionId, userId }: Whose,
  { data, event, level, message }: Line,
  timestamp: number
): ExecutionEvent => ({ timestamp, executionId, userId, level, event, message, ...(data ? { data } : {}) })

/** An execution is known from here on. */
export const began = (execution: ExecutionSummary) =>
  Effect.flatMap(ExecutionStore, ({ write }) => write([{ _tag: "Began", execution }]))

/** Something happened to an execution. */
export const happened = (
  whose: { readonly executionId: ExecutionId; readonly userId: UserId },
  level: EventLevel,
  event: EventName,
  message: string,
  data?: Readonly<Record<string, unknown>>
) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.flatMap(ExecutionStore, ({ write }) =>
      write([
        {
          _tag: "Happened",
          event: eventOf(whose, { level, event, message, ...(data ? { data } : {}) }, now)
        }
      ])
    )
  )

/** An execution has ended. Returns when that is kept, and fails when it cannot be. */
export const ended = Effect.fnUntraced(function* (whose: Whose, ending: Ending) {
  const { executionId } = whose
  const { result, usage, verdict } = ending
  const store = yield* ExecutionStore
  const endedAt = yield* Clock.currentTimeMillis
  const end = { executionId, endedAt, verdict, ...(result ? { result } : {}), ...(usage ? { usage } : {}) }
  yield* store.write([
    { _tag: "Happened", event: eventOf(whose, ending, endedAt) },
    { _tag: "Ended", end }
  ])
  yield* store.commit
})

/** Seconds after which books that cannot be written may be open again. */
const recovery = 5

/** Whether an execution has this id. One that cannot be asked for counts as unknown. */
export const knows = (executionId: ExecutionId) =>
  Effect.flatMap(ExecutionStore, ({ find }) =>
    Effect.match(find(executionId), { onFailure: () => false, onSuccess: Option.isSome })
  )

export const unavailable = (executionId: ExecutionId) =>
  new RecordUnavailable({
    executionId,
    message: "What happens cannot be recorded at present, so nothing is run",
    retryAfter: recovery
  })

/** Returns when all that is known of an execution by now is kept. */
export const kept = (executionId: ExecutionId) =>
  Effect.flatMap(ExecutionStore, ({ commit }) => Effect.mapError(commit, () => unavailable(executionId)))

/** Refuses work while what happens to it could not be recorded. */
export const open = (executionId: ExecutionId) =>
  Effect.flatMap(ExecutionStore, ({ ready }) => Effect.mapError(ready, () => unavailable(executionId)))

/** Ends what an earlier life of this instance left unfinished. */
export const closeUnfinished = Effect.gen(function* () {
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
    yield* ended(execution, {
      level: "error",
      event: "execution_failed",
      message,
      verdict: "InternalError",
      ...(state === "tracked" ? {} : { result })
    })
  }
})
