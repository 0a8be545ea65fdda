import { executionError } from "@bulkhead/domain"
import { Effect, Schedule } from "effect"
import { ArtifactCollector } from "../ArtifactCollector.js"
import { ExecutionLog } from "../Record/ExecutionLog.js"
import { ExecutionStore } from "../Record/ExecutionStore.js"
import * as Results from "./Results.js"

/** Ends what an earlier life of this instance, or an instance that is gone, left unfinished. */
export const closeUnfinished = Effect.gen(function* () {
  const store = yield* ExecutionStore
  const log = yield* ExecutionLog
  const artifacts = yield* ArtifactCollector
  for (const execution of yield* store.unfinished) {
    const { executionId, state } = execution
    const message = "The service stopped before the execution ended"
    const error = executionError("INTERNAL_ERROR", message)
    const result = Results.withoutRun({ executionId, retries: 0 }, "InternalError", error)
    yield* artifacts.forget(executionId)
    yield* log.ended(execution, {
      level: "error",
      event: "execution_failed",
      message,
      verdict: "InternalError",
      ...(state === "tracked" ? {} : { result })
    })
  }
})

/** Other instances that share the store may die at any time. */
const interval = "10 seconds"

/** Ends what others leave unfinished, as long as the scope is open. */
export const keepClosing = closeUnfinished.pipe(
  Effect.catchAllCause((cause) => Effect.logWarning("What others left unfinished could not be ended", cause)),
  Effect.schedule(Schedule.spaced(interval)),
  Effect.interruptible,
  Effect.forkScoped
)
