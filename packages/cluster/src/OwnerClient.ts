import type { LimitValues } from "@bulkhead/sandbox"
import { Context, type Effect } from "effect"
import type { Look, NotOwner, Seen, Sync, SyncAnswer } from "./Protocol.js"

/**
 * Reaches whoever owns admission. A call may be lost on its way there or back, and may come late or twice; who calls
 * bounds it in time.
 */
export class OwnerClient extends Context.Tag("@bulkhead/cluster/OwnerClient")<
  OwnerClient,
  {
    readonly sync: (told: Sync) => Effect.Effect<SyncAnswer, NotOwner>
    readonly look: (at: Look) => Effect.Effect<Seen, NotOwner>
    readonly adjust: (values: LimitValues) => Effect.Effect<void, NotOwner>
  }
>() {}
