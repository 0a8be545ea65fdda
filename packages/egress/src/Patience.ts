import type { Duplex } from "node:stream"
import { Effect, FiberMap, type Scope } from "effect"

/** Cuts connections on which a request's head takes too long. */
export interface Patience {
  /** A head must come now. */
  readonly start: (client: Duplex) => Effect.Effect<void>
  /** Nothing is waited for any more. */
  readonly stop: (client: Duplex) => Effect.Effect<void>
  /** Serves a request. After the last one that came so far, another head is waited for. */
  readonly during: <A, E>(client: Duplex, serve: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** How many requests are being served. */
  readonly servedOn: (client: Duplex) => number
}

/** From when a head may begin until it is whole. */
const longest = "30 seconds"

/** With the scope, nobody is waited for. */
export const make: Effect.Effect<Patience, never, Scope.Scope> = Effect.map(
  FiberMap.make<Duplex>(),
  (waits) => {
    const served = new WeakMap<Duplex, number>()
    const cut = (client: Duplex) =>
      Effect.delay(
        Effect.sync(() => client.destroy()),
        longest
      )
    const start: Patience["start"] = (client) => Effect.asVoid(FiberMap.run(waits, client, cut(client)))
    const stop: Patience["stop"] = (client) => FiberMap.remove(waits, client)
    const count = (client: Duplex, change: number) =>
      Effect.sync(() => {
        const now = (served.get(client) ?? 0) + change
        served.set(client, now)
        return now
      })
    return {
      start,
      stop,
      during: (client, serve) =>
        Effect.acquireUseRelease(
          Effect.zipRight(count(client, 1), stop(client)),
          () => serve,
          () =>
            Effect.flatMap(count(client, -1), (now) =>
              now > 0 || client.destroyed ? Effect.void : start(client)
            )
        ),
      servedOn: (client) => served.get(client) ?? 0
    }
  }
)
