import { type Entry, ExecutionStore } from "@bulkhead/sandbox"
import { Effect, Layer } from "effect"
import { StoreConfig } from "./settings/StoreConfig.js"

const lineOf = (entry: Entry) => (entry._tag === "Happened" ? `${JSON.stringify(entry.event)}\n` : "")

const print = (entries: ReadonlyArray<Entry>) => {
  const lines = entries.map(lineOf).join("")
  if (lines !== "") process.stdout.write(lines)
}

/** The store of executions, which also writes every event to stdout as a line of JSON if the settings ask for that. */
export const layer = Layer.effect(
  ExecutionStore,
  Effect.map(Effect.all([ExecutionStore, StoreConfig]), ([store, { logsEvents }]) =>
    logsEvents
      ? {
          ...store,
          append: (entries: ReadonlyArray<Entry>) =>
            Effect.zipRight(
              store.append(entries),
              Effect.sync(() => print(entries))
            )
        }
      : store
  )
)
