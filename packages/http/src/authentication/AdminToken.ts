import { Context, Effect, Layer, type Redacted } from "effect"
import * as BearerToken from "./BearerToken.js"

/** The operator's token, which opens the admin routes and every artifact. */
export class AdminToken extends Context.Tag("@bulkhead/http/AdminToken")<
  AdminToken,
  {
    /** Whether a token is the operator's. How long it takes must not tell. */
    readonly matches: (token: Redacted.Redacted) => Effect.Effect<boolean>
  }
>() {
  static readonly layer = (token: Redacted.Redacted): Layer.Layer<AdminToken> =>
    Layer.sync(AdminToken, () => {
      const matches = BearerToken.matches(token)
      return { matches: (given) => Effect.sync(() => matches(given)) }
    })

  /** Nobody is the operator. */
  static readonly layerNone: Layer.Layer<AdminToken> = Layer.succeed(AdminToken, {
    matches: () => Effect.succeed(false)
  })
}
