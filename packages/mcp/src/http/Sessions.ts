import { randomUUID } from "node:crypto"
import type { UserId } from "@bulkhead/domain"
import { McpUse } from "@bulkhead/http"
import { SteadyClock } from "@bulkhead/sandbox"
import {
  Array as Arrays,
  Context,
  Duration,
  Effect,
  HashMap,
  Layer,
  Option,
  Order,
  Ref,
  Schedule
} from "effect"
import * as JsonRpc from "../JsonRpc.js"
import type { Version } from "../Protocol.js"
import * as Session from "../Session.js"

export interface Bounds {
  /** Sessions of one user at once. */
  readonly eachUser: number
  /** Sessions at once. */
  readonly all: number
  /** After so long without a request, a session is over. */
  readonly idleTime: Duration.Duration
}

export const usualBounds: Bounds = { eachUser: 100, all: 5000, idleTime: Duration.minutes(30) }

const sweepInterval = Duration.minutes(1)

const busy = new JsonRpc.RpcFailure({
  code: JsonRpc.codes.refused,
  message: "There are too many sessions at once, and all of them are busy; try again after some seconds"
})

interface Idle {
  readonly id: string
  readonly since: number
}

const longestFirst = Order.mapInput(Order.number, ({ since }: Idle) => since)

/** The sessions of clients that come over HTTP, which has no connection that could stand for one. */
export class Sessions extends Context.Tag("@bulkhead/mcp/Sessions")<
  Sessions,
  {
    /** Begins one, and gives its id. Where there is no more room, the one that was idle for longest is over. */
    readonly open: (userId: UserId, version: Version) => Effect.Effect<string, JsonRpc.RpcFailure>
    /** One of the user's own. */
    readonly find: (id: string, userId: UserId) => Effect.Effect<Option.Option<Session.Session>>
    /** Ends one, with all that it runs. */
    readonly close: (id: string) => Effect.Effect<void>
  }
>() {
  static readonly layer = (bounds: Partial<Bounds> = {}): Layer.Layer<Sessions> =>
    Layer.scoped(Sessions, make({ ...usualBounds, ...bounds }))
}

const make = Effect.fnUntraced(function* ({ all, eachUser, idleTime }: Bounds) {
  const { changeSessions } = yield* McpUse.McpUse
  const sessions = yield* Ref.make(HashMap.empty<string, Session.Session>())
  const turn = yield* Effect.makeSemaphore(1)

  const close = Effect.fn("Sessions.close")(function* (id: string) {
    const found = yield* Ref.modify(sessions, (present) => [
      HashMap.get(present, id),
      HashMap.remove(present, id)
    ])
    if (Option.isNone(found)) return
    yield* changeSessions(-1)
    yield* found.value.cancelAll
  })

  const idleAmong = (some: ReadonlyArray<readonly [string, Session.Session]>) =>
    Effect.map(
      Effect.forEach(some, ([id, { idleSince }]) =>
        Effect.map(
          idleSince,
          Option.map((since): Idle => ({ id, since }))
        )
      ),
      Arrays.getSomes
    )

  /** Makes room for one more where there are as many as there may be. */
  const makeRoom = Effect.fnUntraced(function* (
    some: ReadonlyArray<readonly [string, Session.Session]>,
    most: number
  ) {
    if (some.length < most) return
    const [oldest] = Arrays.sort(yield* idleAmong(some), longestFirst)
    return oldest === undefined ? yield* busy : yield* close(oldest.id)
  })

  const open = Effect.fn("Sessions.open")(function* (userId: UserId, version: Version) {
    const present = HashMap.toEntries(yield* Ref.get(sessions))
    yield* makeRoom(
      present.filter(([, session]) => session.userId === userId),
      eachUser
    )
    yield* makeRoom(HashMap.toEntries(yield* Ref.get(sessions)), all)
    const id: string = yield* Effect.sync(() => randomUUID())
    const session = yield* Session.make(userId, version)
    yield* Ref.update(sessions, HashMap.set(id, session))
    yield* changeSessions(1)
    return id
  }, turn.withPermits(1))

  const sweep = Effect.gen(function* () {
    const now = yield* SteadyClock.now
    const idle = yield* idleAmong(HashMap.toEntries(yield* Ref.get(sessions)))
    const over = idle.filter(({ since }) => now - since >= Duration.toMillis(idleTime))
    yield* Effect.forEach(over, ({ id }) => close(id), { discard: true })
  })
  yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced(sweepInterval)))

  return Sessions.of({
    open,
    find: (id, userId) =>
      Effect.map(Ref.get(sessions), (present) =>
        Option.filter(HashMap.get(present, id), (session) => session.userId === userId)
      ),
    close
  })
})
