import { faultOf, Harmless } from "@bulkhead/domain"
import { Effect, Schema } from "effect"
import { Failure } from "../Failure.js"

/**
 * Fails with the field that the contract does not take, before anything is sent: the client itself says of that, as of
 * an answer that is none of Bulkhead, only that it does not fit.
 */
export const check = <A, I>(schema: Schema.Schema<A, I>, value: I): Effect.Effect<void, Failure> =>
  Schema.decode(schema)(value).pipe(
    Effect.mapError((error) => new Failure({ message: Harmless.line(faultOf(error, "request").message) })),
    Effect.asVoid
  )
