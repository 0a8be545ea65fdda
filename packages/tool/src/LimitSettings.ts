import { contradiction, faultOf, LimitsSchema, type LimitValues } from "@bulkhead/domain"
import { Limits } from "@bulkhead/sandbox"
import { Effect, Either, Schema } from "effect"
import * as Environment from "./Environment.js"
import { SetUpFailure } from "./SetUpFailure.js"

/** Some of the limits. What is `undefined` counts as left out. */
export type SomeLimits = { readonly [Limit in keyof LimitValues]?: LimitValues[Limit] | undefined }

const decode = Schema.decodeUnknownEither(Schema.partialWith(LimitsSchema, { exact: true }), {
  onExcessProperty: "error"
})

const isSaid = ([, value]: readonly [string, unknown]) => value !== undefined

/** Looks at each limit by itself. */
export const check = (limits: SomeLimits): Either.Either<Partial<LimitValues>, SetUpFailure> =>
  Either.mapLeft(
    decode(Object.fromEntries(Object.entries(limits).filter(isSaid))),
    (error) => new SetUpFailure({ message: faultOf(error, "limits").message })
  )

const limitsIn = (env: Environment.Environment | undefined, otherwise: Partial<LimitValues>) =>
  Environment.read(Effect.provide(Limits, Limits.layerFromEnvOver(otherwise)), env)

/** The limits that are given, over those that the variables say, over the defaults. */
export const read = Effect.fnUntraced(function* (
  given: Partial<LimitValues>,
  env: Environment.Environment | undefined,
  defaults: Partial<LimitValues>
) {
  const limits: LimitValues = { ...(yield* limitsIn(env, { ...defaults, ...given })), ...given }
  const found = contradiction(limits, (limit) => limit)
  return found === undefined
    ? limits
    : yield* new SetUpFailure({ message: `${found.limit}: ${found.message}` })
})

/** Refuses variables that want another limit than the one in force, unless it was given. */
export const checkSame = Effect.fnUntraced(function* (
  inForce: LimitValues,
  given: Partial<LimitValues>,
  env: Environment.Environment
) {
  const wanted = { ...(yield* limitsIn(env, inForce)), ...given }
  const other = Limits.variables.find(({ limit }) => wanted[limit] !== inForce[limit])
  if (other === undefined) return
  const { limit, name } = other
  return yield* new SetUpFailure({
    message: `${name}: expected ${inForce[limit]}, which is in force since the first call, got ${wanted[limit]}`
  })
})
