import type { ExecutionEvent, ExecutionId } from "@bulkhead/domain"
import { Context, Effect, Layer, Option } from "effect"

/** The record of what happened to each execution. */
export class ExecutionLog extends Context.Tag("@bulkhead/sandbox/ExecutionLog")<
  ExecutionLog,
  {
    readonly append: (event: ExecutionEvent) => Effect.Effect<void>
    /** The events of one execution, oldest first; none if it is unknown. */
    readonly read: (executionId: ExecutionId) => Effect.Effect<Option.Option<ReadonlyArray<ExecutionEvent>>>
  }
>() {
  /** Keeps the latest executions' events in memory, `executions` of them (default 10000). */
  static layerMemory(executions = 10_000): Layer.Layer<ExecutionLog> {
    return Layer.sync(ExecutionLog, () => {
      const logs = new Map<ExecutionId, Array<ExecutionEvent>>()
      const forgetOldest = () => {
        const oldest = logs.keys().next()
        if (!oldest.done && logs.size > executions) logs.delete(oldest.value)
      }
      return {
        append: (event) =>
          Effect.sync(() => {
            const events = logs.get(event.executionId)
            if (events) events.push(event)
            else logs.set(event.executionId, [event])
            forgetOldest()
          }),
        read: (executionId) =>
          Effect.sync(() => Option.map(Option.fromNullable(logs.get(executionId)), (events) => [...events]))
      }
    })
  }
}
