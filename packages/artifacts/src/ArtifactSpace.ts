import type { UserId } from "@bulkhead/domain"
import { Effect, HashMap, Option, Ref } from "effect"
import { ArtifactStoreFailure } from "./ArtifactStore.js"

/** How many bytes artifacts may take. Absent: no bound. */
export interface SpaceLimits {
  readonly all?: number
  readonly eachUser?: number
}

interface Taken {
  readonly all: number
  readonly users: HashMap.HashMap<UserId, number>
}

/** Who takes how many bytes, and whether there is room for more. What is taken is given back once. */
export interface ArtifactSpace {
  readonly take: (userId: UserId, bytes: number) => Effect.Effect<void, ArtifactStoreFailure>
  /** Counts what is there already, whether it fits or not. None: nobody knows whose it is. */
  readonly count: (userId: Option.Option<UserId>, bytes: number) => Effect.Effect<void>
  readonly giveBack: (userId: Option.Option<UserId>, bytes: number) => Effect.Effect<void>
  /** Bytes that a user takes, or all. */
  readonly taken: (userId?: UserId) => Effect.Effect<number>
}

const ofUser = ({ users }: Taken, userId: UserId) => Option.getOrElse(HashMap.get(users, userId), () => 0)

const usersAfter = (taken: Taken, userId: UserId, bytes: number) => {
  const left = ofUser(taken, userId) + bytes
  return left > 0 ? HashMap.set(taken.users, userId, left) : HashMap.remove(taken.users, userId)
}

const changed = (taken: Taken, userId: Option.Option<UserId>, bytes: number): Taken => ({
  all: taken.all + bytes,
  users: Option.match(userId, {
    onNone: () => taken.users,
    onSome: (userId) => usersAfter(taken, userId, bytes)
  })
})

export const make = Effect.fnUntraced(function* (limits: SpaceLimits): Effect.fn.Return<ArtifactSpace> {
  const { all = Number.POSITIVE_INFINITY, eachUser = Number.POSITIVE_INFINITY } = limits
  const space = yield* Ref.make<Taken>({ all: 0, users: HashMap.empty() })
  /** What is exceeded, if anything is. */
  const exceeded = (after: Taken, userId: UserId) => {
    if (ofUser(after, userId) > eachUser)
      return new ArtifactStoreFailure({ reason: "UserQuota", limit: eachUser })
    return after.all > all ? new ArtifactStoreFailure({ reason: "Quota", limit: all }) : undefined
  }
  const count = (userId: Option.Option<UserId>, bytes: number) =>
    Ref.update(space, (taken) => changed(taken, userId, bytes))
  return {
    take: (userId, bytes) =>
      Effect.flatten(
        Ref.modify(space, (before): [Effect.Effect<void, ArtifactStoreFailure>, Taken] => {
          const after = changed(before, Option.some(userId), bytes)
          const failure = exceeded(after, userId)
          return failure === undefined ? [Effect.void, after] : [failure, before]
        })
      ),
    count,
    giveBack: (userId, bytes) => count(userId, -bytes),
    taken: (userId) =>
      Effect.map(Ref.get(space), (taken) => (userId === undefined ? taken.all : ofUser(taken, userId)))
  }
})
