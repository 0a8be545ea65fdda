import { Context, Effect } from "effect"

/** What becomes known of a request while it is answered. */
export interface Facts {
  /** Who asks: `operator` has the admin token, `user` a caller's key; `local` is anybody, where nobody needs a key. */
  readonly caller?: "operator" | "user" | "local"
  /** The execution that the request began. */
  readonly executionId?: string
}

/** Is told of the request under way, for who writes it down. Default: nobody does. */
export class RequestFacts extends Context.Reference<RequestFacts>()("@bulkhead/http/RequestFacts", {
  defaultValue: (): { readonly note: (facts: Facts) => Effect.Effect<void> } => ({ note: () => Effect.void })
}) {}

/** Notes something of the request under way. */
export const note = (facts: Facts): Effect.Effect<void> =>
  Effect.flatMap(RequestFacts, (request) => request.note(facts))
