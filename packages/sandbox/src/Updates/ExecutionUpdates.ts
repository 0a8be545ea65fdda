import {
  type ExecutionId,
  type ExecutionUpdate,
  type Refusal,
  refusalError,
  rejectedResult,
  type UserId
} from "@bulkhead/domain"
import { Context, Deferred, Effect, HashMap, Layer, Option, Ref, Stream } from "effect"
import { Journal, type Last, type Read, type Told } from "./Journal.js"
import { idOf, type OutputStream, type UpdatePosition } from "./UpdatePosition.js"

/** What tells the readers of one execution. Nobody waits for a reader. */
export interface UpdateWriter {
  readonly tell: (update: Told) => Effect.Effect<void>
  readonly output: (stream: OutputStream, bytes: Uint8Array) => Effect.Effect<void>
  /**
   * Says the last, and forgets the execution: from now on the store knows it. Who waits is told after `strikeOff`, so
   * that they find it ended.
   */
  readonly end: (last: Last, strikeOff: Effect.Effect<void>) => Effect.Effect<void>
  /** The same of an execution that was turned away. */
  readonly refuse: (refusal: Refusal, strikeOff: Effect.Effect<void>) => Effect.Effect<void>
}

/** The updates of one execution that waits or runs. */
export interface LiveUpdates extends UpdateWriter {
  /** Returns when the first update is there; fails when the execution is turned away before. */
  readonly begun: Effect.Effect<void, Refusal>
  /** From a position on, as far as they are kept, and then as they come. */
  readonly from: (position: UpdatePosition) => Stream.Stream<ExecutionUpdate>
}

/** How many streams are read. */
interface Readers {
  readonly all: number
  readonly users: HashMap.HashMap<UserId, number>
}

const readersOf = ({ users }: Readers, userId: UserId) =>
  Option.getOrElse(HashMap.get(users, userId), () => 0)

const plus = (readers: Readers, userId: UserId, more: number): Readers => {
  const own = readersOf(readers, userId) + more
  const { users } = readers
  return {
    all: readers.all + more,
    users: own === 0 ? HashMap.remove(users, userId) : HashMap.set(users, userId, own)
  }
}

/** The updates of every execution that waits or runs, for whoever wants to read them. */
export class ExecutionUpdates extends Context.Tag("@bulkhead/sandbox/ExecutionUpdates")<
  ExecutionUpdates,
  {
    /** Begins to keep an execution's updates. */
    readonly open: (executionId: ExecutionId, userId: UserId) => Effect.Effect<LiveUpdates>
    readonly find: (executionId: ExecutionId) => Effect.Effect<LiveUpdates | undefined>
    /** Counts a stream while it is read, as its execution's user's. */
    readonly counted: <A, E, R>(userId: UserId, stream: Stream.Stream<A, E, R>) => Stream.Stream<A, E, R>
    /** Streams that are read: of everyone. */
    readonly readers: Effect.Effect<number>
    /** Of one user's executions. */
    readonly readersOf: (userId: UserId) => Effect.Effect<number>
    /** Ends every stream with an update that says so. */
    readonly close: Effect.Effect<void>
    /** Returns when streams are to end. */
    readonly closed: Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<ExecutionUpdates> = Layer.effect(
    ExecutionUpdates,
    Effect.suspend(() => make)
  )
}

/** The last update of a stream whose execution may go on. */
export const closing = (position: UpdatePosition): ExecutionUpdate => ({
  type: "closing",
  id: idOf(position)
})

const make = Effect.gen(function* () {
  const live = new Map<ExecutionId, LiveUpdates>()
  const closed = yield* Deferred.make<void>()
  const readers = yield* Ref.make<Readers>({ all: 0, users: HashMap.empty() })

  const counted = <A, E, R>(userId: UserId, stream: Stream.Stream<A, E, R>) =>
    Stream.unwrapScoped(
      Effect.acquireRelease(
        Ref.update(readers, (now) => plus(now, userId, 1)),
        () => Ref.update(readers, (now) => plus(now, userId, -1))
      ).pipe(Effect.as(stream))
    )

  const open = Effect.fnUntraced(function* (executionId: ExecutionId, userId: UserId) {
    const forget = Effect.sync(() => live.delete(executionId))
    const updates = yield* makeLive(executionId, Deferred.await(closed), forget)
    const counting: LiveUpdates = { ...updates, from: (position) => counted(userId, updates.from(position)) }
    live.set(executionId, counting)
    return counting
  })

  return ExecutionUpdates.of({
    open,
    find: (executionId) => Effect.sync(() => live.get(executionId)),
    counted,
    readers: Effect.map(Ref.get(readers), ({ all }) => all),
    readersOf: (userId) => Effect.map(Ref.get(readers), (now) => readersOf(now, userId)),
    close: Effect.asVoid(Deferred.succeed(closed, undefined)),
    closed: Deferred.await(closed)
  })
})

const makeLive = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  closed: Effect.Effect<void>,
  forget: Effect.Effect<unknown>
): Effect.fn.Return<LiveUpdates> {
  const journal = new Journal()
  const begun = yield* Deferred.make<void, Refusal>()
  /** Completes with the next update; there while somebody waits for it. */
  let awaited: Deferred.Deferred<void> | undefined

  const wake = Effect.suspend(() => {
    const waiting = awaited
    awaited = undefined
    return waiting === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(waiting, undefined))
  })
  const write = (change: () => void) => Effect.zipRight(Effect.sync(change), wake)
  const last = (update: Last, strikeOff: Effect.Effect<void>) =>
    Effect.sync(() => journal.end(update)).pipe(
      Effect.zipRight(forget),
      Effect.zipRight(strikeOff),
      Effect.zipRight(wake)
    )
  const hasBegun = Effect.asVoid(Deferred.succeed(begun, undefined))

  /** Looks and asks to be told in one step, so that nothing comes in between. */
  const more = (from: UpdatePosition) =>
    Effect.flatMap(Deferred.make<void>(), (fresh) =>
      Effect.suspend(() => {
        if (journal.read(from) !== undefined) return Effect.void
        awaited ??= fresh
        return Deferred.await(awaited)
      })
    )
  /** What is there is given also when all streams are to end. */
  const next = (from: UpdatePosition): Effect.Effect<Read> => {
    const orElse = (otherwise: Effect.Effect<Read>) =>
      Effect.suspend(() => {
        const read = journal.read(from)
        return read === undefined ? otherwise : Effect.succeed(read)
      })
    const end = Effect.succeed<Read>({ update: closing(from), next: "end" })
    return orElse(
      Effect.flatten(
        Effect.raceFirst(
          Effect.map(more(from), () => next(from)),
          Effect.as(closed, orElse(end))
        )
      )
    )
  }

  return {
    tell: (update) =>
      Effect.zipRight(
        write(() => journal.tell(update)),
        hasBegun
      ),
    output: (stream, bytes) => write(() => journal.output(stream, bytes)),
    end: (update, strikeOff) => Effect.zipRight(last(update, strikeOff), hasBegun),
    refuse: (refusal, strikeOff) => {
      const result = rejectedResult(executionId, refusalError(refusal))
      return Effect.zipRight(Deferred.fail(begun, refusal), last({ type: "result", result }, strikeOff))
    },
    begun: Deferred.await(begun),
    from: (position) =>
      Stream.unfoldEffect<UpdatePosition | "end", ExecutionUpdate, never, never>(position, (from) =>
        from === "end"
          ? Effect.succeedNone
          : Effect.map(next(from), ({ next, update }) => Option.some([update, next] as const))
      )
  }
})
