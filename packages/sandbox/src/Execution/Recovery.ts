import { executionError } from "@bulkhead/domain"
import { Duration, Effect, Schedule } from "effect"
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

/** Ends what instances leave unfinished that die while this one lives. `interval` is in seconds, between two looks. */
export const keepClosing = (interval: number) =>
  closeUnfinished.pipe(
    Effect.catchAllCause((cause) =>
      Effect.logWarning("What others left unfinished could not be ended", cause)
    ),
    Effect.schedule(Schedule.spaced(Duration.seconds(interval))),
    Effect.interruptible,
    Effect.forkScoped
  )
