import { Harmless } from "@bulkhead/domain"
import { type Entry, ExecutionStore } from "@bulkhead/sandbox"
import { Effect, Layer, Option, Tracer } from "effect"
import { StoreConfig } from "./settings/StoreConfig.js"

/** The trace that an event belongs to, beside the event as it is kept. */
const lineOf = (trace: object) => (entry: Entry) =>
  entry._tag === "Happened" ? `${Harmless.json({ ...entry.event, ...trace })}\n` : ""

const print = (entries: ReadonlyArray<Entry>) =>
  Effect.map(Effect.serviceOption(Tracer.ParentSpan), (span) => {
    const trace = Option.match(span, { onNone: () => ({}), onSome: ({ traceId }) => ({ traceId }) })
    const lines = entries.map(lineOf(trace)).join("")
    if (lines !== "") process.stdout.write(lines)
  })

/** The store of executions, which also writes every event to stdout as a line of JSON if the settings ask for that. */
export const layer = Layer.effect(
  ExecutionStore,
  Effect.map(Effect.all([ExecutionStore, StoreConfig]), ([store, { logsEvents }]) =>
    logsEvents
      ? {
          ...store,
          append: (entries: ReadonlyArray<Entry>) => Effect.zipRight(store.append(entries), print(entries))
        }
      : store
  )
)
