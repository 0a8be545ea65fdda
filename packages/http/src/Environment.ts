import { Context, Effect, Either, Layer, Option, Predicate, Redacted } from "effect"
import { AdminToken } from "./authentication/AdminToken.js"
import * as BearerToken from "./authentication/BearerToken.js"
import { CallerKeys } from "./authentication/CallerKeys.js"

/** What a fetch-style server hands over with each request. A variable that is set to nothing counts as absent. */
export interface Environment {
  /** The operator's token. Absent: nobody is the operator. */
  readonly ADMIN_API_TOKEN?: string | undefined
  /** `user:key` pairs, separated by commas. Absent: nobody may run code. */
  readonly SANDBOX_API_KEYS?: string | undefined
}

/** The environment of the request under way. */
export class Current extends Context.Reference<Current>()("@bulkhead/http/Environment", {
  defaultValue: (): Environment => ({})
}) {}

// Whoever does not use types may hand over anything, or nothing.
const variable = (name: keyof Environment) =>
  Effect.map(Current, (environment: unknown) =>
    Predicate.hasProperty(environment, name)
      ? Option.filter(Option.some(environment[name]), Predicate.isString).pipe(
          Option.map((text) => text.trim()),
          Option.filter((text) => text !== "")
        )
      : Option.none<string>()
  )

const adminToken = Layer.succeed(AdminToken, {
  matches: (given) =>
    Effect.map(
      variable("ADMIN_API_TOKEN"),
      Option.exists((token) => BearerToken.matches(Redacted.make(token))(given))
    )
})

const keysOf = (text: string) =>
  Either.match(CallerKeys.parse(text), {
    onLeft: (wrong) =>
      Effect.as(Effect.logError(`SANDBOX_API_KEYS: expected ${CallerKeys.takes}, ${wrong}`), []),
    onRight: Effect.succeed
  })

const callerKeys = Layer.succeed(CallerKeys, {
  ownerOf: (given) =>
    Effect.flatMap(
      variable("SANDBOX_API_KEYS"),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (text) => Effect.map(keysOf(text), (keys) => CallerKeys.ownerAmong(keys)(given))
      })
    )
})

/** The secrets of the request's own environment. */
export const layer: Layer.Layer<AdminToken | CallerKeys> = Layer.merge(adminToken, callerKeys)
