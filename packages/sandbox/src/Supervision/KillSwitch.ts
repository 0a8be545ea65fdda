import { Deferred, Effect, Schema } from "effect"

export interface KillRequest {
  readonly reason: string
  /** Whether the program gets the kill grace period. */
  readonly graceful: boolean
  /** Whether its record could not be kept: as long as it waits, it is refused then. Default: no. */
  readonly isUnrecorded?: boolean
}

/** The execution was killed before its program ran. */
export class KilledEarly extends Schema.TaggedError<KilledEarly>()("KilledEarly", {
  reason: Schema.String,
  graceful: Schema.Boolean,
  isUnrecorded: Schema.optional(Schema.Boolean)
}) {}

/**
 * Asks one execution to end. Until its program is supervised, a kill is an interrupt; from then on it is one more input
 * to the supervision. Only the first request counts.
 */
export interface KillSwitch {
  readonly press: (request: KillRequest) => Effect.Effect<void>
  /** Waits for the request. */
  readonly pressed: Effect.Effect<KillRequest>
  /**
   * Runs an execution. A kill interrupts it and fails, when all its finalizers have run; except where it is `attended`.
   */
  readonly interruptible: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | KilledEarly, R>
  /**
   * Runs a part of an execution that listens to `pressed` itself. Once it has succeeded, a kill no longer interrupts.
   */
  readonly attended: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make: Effect.Effect<KillSwitch> = Effect.gen(function* () {
  const request = yield* Deferred.make<KillRequest>()
  const unattended = yield* Effect.makeLatch(true)
  const pressed = Deferred.await(request)
  const killed = Effect.flatMap(Effect.zipLeft(pressed, unattended.await), (asked) => new KilledEarly(asked))

  return {
    press: (asked) => Effect.asVoid(Deferred.succeed(request, asked)),
    pressed,
    interruptible: (effect) =>
      // A race begins both sides, and what is killed must not begin.
      Effect.if(Deferred.isDone(request), {
        onTrue: () => killed,
        onFalse: () => Effect.raceFirst(effect, killed)
      }),
    attended: (effect) =>
      Effect.zipRight(
        unattended.close,
        Effect.onError(effect, () => unattended.open)
      )
  }
})
