import type { ExecutionEvent } from "@bulkhead/domain"
import { ExecutionStore } from "@bulkhead/sandbox"
import { Effect, Layer } from "effect"

/** A store that tells each event to whoever is interested, as it is appended. */
export const layer = (tell: (event: ExecutionEvent) => Effect.Effect<void>) =>
  Layer.effect(
    ExecutionStore,
    Effect.map(ExecutionStore, (store) =>
      ExecutionStore.of({
        ...store,
        append: (entries) =>
          Effect.zipRight(
            store.append(entries),
            Effect.forEach(
              entries,
              (entry) => (entry._tag === "Happened" ? tell(entry.event) : Effect.void),
              {
                discard: true
              }
            )
          )
      })
    )
  )
