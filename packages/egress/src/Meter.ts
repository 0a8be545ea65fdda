import type { NetworkReason } from "@bulkhead/domain"
import { Clock, Effect, Ref, Schema } from "effect"

/** What one sandbox may take of the network. */
export interface NetworkLimits {
  /** Connections to the world at once. */
  readonly maxConnections: number
  /** Attempts in all. */
  readonly maxAttempts: number
  /** Bytes in all, both ways. */
  readonly maxBytes: number
  /** Bytes in a second, both ways. 0: as many as can be. */
  readonly bytesPerSecond: number
}

/** As many bytes as may be were carried. */
export class BytesSpent extends Schema.TaggedError<BytesSpent>()("BytesSpent", {}) {}

/** Counts what a sandbox takes, and says when it is too much. */
export interface Meter {
  /** Counts one attempt. Gives why there may be none. */
  readonly attempt: Effect.Effect<NetworkReason | undefined>
  /** Counts a connection until `close`; false: there may be no more at once. */
  readonly open: Effect.Effect<boolean>
  readonly close: Effect.Effect<void>
  /** Counts bytes before they go on, and holds them back where there is a rate. */
  readonly take: (direction: "sent" | "received", bytes: number) => Effect.Effect<void, BytesSpent>
  readonly counts: Effect.Effect<{
    readonly connections: number
    readonly sentBytes: number
    readonly receivedBytes: number
  }>
}

interface Counts {
  readonly attempts: number
  readonly connections: number
  readonly open: number
  readonly sent: number
  readonly received: number
  /** When what was taken so far has gone by, in milliseconds of the steady clock. */
  readonly free: number
}

/** Milliseconds of a clock that nobody sets: the time of day may jump, back too. */
const steadyNow = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

const none: Counts = { attempts: 0, connections: 0, open: 0, sent: 0, received: 0, free: 0 }

export const make = (limits: NetworkLimits): Effect.Effect<Meter> =>
  Effect.map(Ref.make(none), (counts) => {
    const pace = (bytes: number) =>
      Effect.gen(function* () {
        const now = yield* steadyNow
        const free = yield* Ref.modify(counts, (all) => {
          const from = Math.max(now, all.free)
          return [from, { ...all, free: from + (bytes * 1000) / limits.bytesPerSecond }]
        })
        if (free > now) yield* Effect.sleep(free - now)
      })
    const take = (direction: "sent" | "received", bytes: number) =>
      Effect.gen(function* () {
        const total = yield* Ref.modify(counts, (all) => {
          const next = { ...all, [direction]: all[direction] + bytes }
          return [next.sent + next.received, next]
        })
        if (total > limits.maxBytes) return yield* new BytesSpent()
        if (limits.bytesPerSecond > 0) yield* pace(bytes)
      })
    return {
      attempt: Ref.modify(counts, (all): readonly [NetworkReason | undefined, Counts] => {
        const next = { ...all, attempts: all.attempts + 1 }
        if (next.attempts > limits.maxAttempts) return ["rate_limit", next]
        return [all.sent + all.received >= limits.maxBytes ? "byte_limit" : undefined, next]
      }),
      open: Ref.modify(counts, (all) =>
        all.open >= limits.maxConnections
          ? [false, all]
          : [true, { ...all, open: all.open + 1, connections: all.connections + 1 }]
      ),
      close: Ref.update(counts, (all) => ({ ...all, open: all.open - 1 })),
      take,
      counts: Effect.map(Ref.get(counts), ({ connections, received, sent }) => ({
        connections,
        sentBytes: sent,
        receivedBytes: received
      }))
    }
  })
