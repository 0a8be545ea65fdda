import { machineOf } from "@bulkhead/domain"
import { SteadyClock } from "@bulkhead/sandbox"
import { Duration, Effect, Option, Ref } from "effect"

/** Wrong tokens that one address may give within a while, before it has to wait for the end of it. */
export const mostFailures = 5
export const window = Duration.minutes(1)

/** Addresses that are remembered; one more forgets the oldest. */
const mostAddresses = 10_000

interface Failures {
  readonly count: number
  /** When they are forgotten, in milliseconds of the steady clock. */
  readonly until: number
}

/** Who gave wrong tokens of late. */
export interface FailedSignIns {
  /** Seconds that an address has to wait; none: it may try. */
  readonly waitOf: (address: string) => Effect.Effect<Option.Option<number>>
  readonly add: (address: string) => Effect.Effect<void>
}

export const make: Effect.Effect<FailedSignIns> = Effect.gen(function* () {
  const failures = yield* Ref.make<ReadonlyMap<string, Failures>>(new Map())

  return {
    waitOf: (address) =>
      Effect.zipWith(Ref.get(failures), SteadyClock.now, (known, now) =>
        Option.fromNullable(known.get(machineOf(address))).pipe(
          Option.filter(({ count, until }) => count >= mostFailures && until > now),
          Option.map(({ until }) => Math.ceil((until - now) / 1000))
        )
      ),
    add: (address) =>
      Effect.flatMap(SteadyClock.now, (now) =>
        Ref.update(failures, (known) => {
          const machine = machineOf(address)
          const before = known.get(machine)
          const current = [...known].filter(([key, { until }]) => key !== machine && until > now)
          const next =
            before !== undefined && before.until > now
              ? { ...before, count: before.count + 1 }
              : { count: 1, until: now + Duration.toMillis(window) }
          return new Map([...current, [machine, next] as const].slice(-mostAddresses))
        })
      )
  }
})
