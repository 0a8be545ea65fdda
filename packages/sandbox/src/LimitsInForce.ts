import { Context, Effect, Layer, Ref } from "effect"
import { Limits, type LimitValues } from "./Limits.js"

/**
 * The limits as they are now. They may be changed while the service runs; each request is held to those in force when
 * it came.
 */
export class LimitsInForce extends Context.Tag("@bulkhead/sandbox/LimitsInForce")<
  LimitsInForce,
  Ref.Ref<LimitValues>
>() {
  /** Those that are provided, until somebody changes them. */
  static readonly layer: Layer.Layer<LimitsInForce, never, Limits> = Layer.effect(
    LimitsInForce,
    Effect.flatMap(Limits, Ref.make)
  )
}
