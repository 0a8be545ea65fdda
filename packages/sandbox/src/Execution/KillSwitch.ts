import { Data, Effect, Fiber } from "effect"

export interface KillRequest {
  readonly reason: string
  /** Whether the program gets the kill grace period. */
  readonly graceful: boolean
}

/** The execution was killed before its program ran. */
export class KilledEarly extends Data.TaggedError("KilledEarly")<KillRequest> {}

/** Asks one execution to end. Only the first request counts. */
export class KillSwitch {
  private readonly listeners = new Set<(request: KillRequest) => void>()
  private first: KillRequest | undefined

  /** The request, once there is one. */
  get request(): KillRequest | undefined {
    return this.first
  }

  press(request: KillRequest): void {
    if (this.first !== undefined) return
    this.first = request
    for (const listener of this.listeners) listener(request)
    this.listeners.clear()
  }

  /** Tells of the request, now or later, until it is told to stop. */
  listen(listener: (request: KillRequest) => void): () => void {
    if (this.first !== undefined) listener(this.first)
    else this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }
}

/** Interrupts the effect when the execution is killed, and fails then. */
export const unlessKilled =
  (killSwitch: KillSwitch) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | KilledEarly, R> =>
    Effect.uninterruptibleMask((restore) => {
      if (killSwitch.request !== undefined) return new KilledEarly(killSwitch.request)
      return Effect.flatMap(Effect.fork(Effect.interruptible(effect)), (fiber) => {
        const stopListening = killSwitch.listen(() => fiber.unsafeInterruptAsFork(fiber.id()))
        fiber.addObserver(stopListening)
        const end = Effect.catchAllCause(
          Effect.flatten(Fiber.await(fiber)),
          (cause): Effect.Effect<never, E | KilledEarly> =>
            killSwitch.request === undefined ? Effect.failCause(cause) : new KilledEarly(killSwitch.request)
        )
        return Effect.onInterrupt(restore(end), () => Fiber.interrupt(fiber))
      })
    })
