import { createHash, randomBytes } from "node:crypto"
import { SteadyClock } from "@bulkhead/sandbox"
import { Clock, Duration, Effect, Option, Ref } from "effect"

/** How long an operator stays signed in, however busy. */
export const lifetime = Duration.hours(8)

/** Sessions at once; one more ends the oldest. */
export const mostSessions = 100

/** Only what cannot be turned back is kept: who reads this memory learns no session. */
const digest = (id: string) => createHash("sha256").update(id).digest("hex")

const newId = Effect.sync(() => randomBytes(32).toString("base64url"))

/** Who is signed in to the dashboard, until this server ends. */
export interface Sessions {
  /** Its id, which its cookie holds. */
  readonly begin: Effect.Effect<string>
  /** When it ends, in milliseconds since the epoch; none: it is not there, or over. */
  readonly endOf: (id: string) => Effect.Effect<Option.Option<number>>
  readonly end: (id: string) => Effect.Effect<void>
}

export const make: Effect.Effect<Sessions> = Effect.gen(function* () {
  /** When each ends, in milliseconds of the steady clock, the oldest first. */
  const open = yield* Ref.make<ReadonlyMap<string, number>>(new Map())

  return {
    begin: Effect.gen(function* () {
      const id = yield* newId
      const now = yield* SteadyClock.now
      yield* Ref.update(open, (sessions) => {
        const current = [...sessions].filter(([, end]) => end > now)
        return new Map(
          [...current, [digest(id), now + Duration.toMillis(lifetime)] as const].slice(-mostSessions)
        )
      })
      return id
    }),
    endOf: Effect.fnUntraced(function* (id) {
      const left = ((yield* Ref.get(open)).get(digest(id)) ?? 0) - (yield* SteadyClock.now)
      return left > 0 ? Option.some((yield* Clock.currentTimeMillis) + left) : Option.none()
    }),
    end: (id) =>
      Ref.update(open, (sessions) => {
        const others = new Map(sessions)
        others.delete(digest(id))
        return others
      })
  }
})
