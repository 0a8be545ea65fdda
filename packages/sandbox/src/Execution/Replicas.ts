import type { Replica } from "@bulkhead/domain"
import { Context, Effect } from "effect"
import type { StoreFailure } from "../Record/ExecutionStore.js"

/** All servers that are one service, this one among them, by their names. By default there are none. */
export class Replicas extends Context.Reference<Replicas>()("@bulkhead/sandbox/Replicas", {
  defaultValue: (): Effect.Effect<ReadonlyArray<Replica>, StoreFailure> => Effect.succeed([])
}) {}
