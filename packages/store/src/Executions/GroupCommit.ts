import { type Entry, StoreFailure, Timers } from "@bulkhead/sandbox"
import { Deferred, Duration, Effect, Exit, FiberId, Schedule, type Scope } from "effect"
import { nextTurn } from "../Database/EventLoop.js"

/** How a group is made ready and kept. */
export interface Keeper<Group> {
  /** Makes one group of everything that was taken in, in this order. Called for the next group when the last one is kept. */
  readonly prepare: (entries: ReadonlyArray<Entry>) => Group
  /** Keeps a group whole or not at all. The same group again, after a failure that may not have been one, changes nothing. */
  readonly keep: (group: Group) => Effect.Effect<void, StoreFailure>
}

export interface GroupCommitOptions {
  /** Entries of one group, as long as no write alone has more. Default 500. */
  readonly groupSize?: number
  /**
   * How long entries that nobody waits for are held back, so that they are kept together with those that follow. A commit never waits for it.
   * The death of this process (by SIGKILL, say) takes along what lingers; nobody was told that it is kept. Default 50 ms, within which
   * a lone `print(1)` over HTTP is over, so that all of it is one transaction in the place of six.
   */
  readonly linger?: Duration.DurationInput
  /** Bytes, roughly, that are held in memory while nothing can be written. Default 256 MiB. */
  readonly maxHeld?: number
}

/**
 * Takes entries in at once and keeps them in groups, so that all who wait at one time wait for one write to the disk. A group is begun when
 * somebody waits for one of its entries, when it is full, or when its first entry has lingered long enough.
 */
export interface GroupCommit {
  readonly write: (entries: ReadonlyArray<Entry>) => void
  readonly commit: Effect.Effect<void, StoreFailure>
  /** Fails from the first group that could not be kept until one can. */
  readonly ready: Effect.Effect<void, StoreFailure>
}

interface Held<Group> {
  readonly group: Group
  readonly writes: number
  readonly entries: number
  readonly size: number
}

interface Waiter {
  /** The number of the last write that this one waits for. */
  readonly write: number
  readonly kept: Deferred.Deferred<void, StoreFailure>
}

const usualLinger = Duration.millis(50)

/** How long the last entries may take at the end. */
const flushBound = Duration.seconds(10)

const retries = Schedule.union(Schedule.exponential("50 millis"), Schedule.spaced("2 seconds"))

const sizeOf = (entry: Entry) =>
  entry._tag === "Ended" && entry.end.result
    ? 1024 + entry.end.result.stdout.length + entry.end.result.stderr.length
    : 512

const sizeOfAll = (entries: ReadonlyArray<Entry>) => entries.reduce((size, entry) => size + sizeOf(entry), 0)

/** The messages of an error and of what caused it. */
const reasonOf = (error: Error): string =>
  error.cause instanceof Error ? `${error.message}: ${reasonOf(error.cause)}` : error.message

/** The scope's end keeps what is left. */
export const make = Effect.fnUntraced(function* <Group>(
  { keep, prepare }: Keeper<Group>,
  { groupSize = 500, linger = usualLinger, maxHeld = 256 * 1_048_576 }: GroupCommitOptions = {}
): Effect.fn.Return<GroupCommit, never, Scope.Scope> {
  let queue: Array<ReadonlyArray<Entry>> = []
  let queued = 0
  let hasLingered = false
  let held: Held<Group> | undefined
  let size = 0
  // Numbers of writes: the last that was taken in, waited for, put into a group, and kept.
  let taken = 0
  let waited = 0
  let grouped = 0
  let kept = 0
  let lost = 0
  let failure: StoreFailure | undefined
  let waiters: Array<Waiter> = []
  const due = yield* Effect.makeLatch()
  const timers = yield* Timers.make
  const longest = Duration.decode(linger)
  let stopLingering = () => {}
  const startLingering = () => {
    stopLingering = timers.after(longest, () => {
      hasLingered = true
      due.unsafeOpen()
    })
  }

  const write: GroupCommit["write"] = (entries) => {
    if (entries.length === 0) return
    const added = sizeOfAll(entries)
    if (failure && size + added > maxHeld) {
      lost += entries.length
      return
    }
    if (queue.length === 0) startLingering()
    queue.push(entries)
    queued += entries.length
    size += added
    taken++
    if (queued >= groupSize) due.unsafeOpen()
  }

  const commit: GroupCommit["commit"] = Effect.suspend(() => {
    if (failure) return Effect.fail(failure)
    if (kept === taken) return Effect.void
    const waiter: Waiter = { write: taken, kept: Deferred.unsafeMake(FiberId.none) }
    waiters.push(waiter)
    waited = taken
    if (grouped < taken) due.unsafeOpen()
    return Deferred.await(waiter.kept)
  })

  const nextGroup = (): Held<Group> => {
    let writes = 0
    let count = 0
    for (const entries of queue) {
      if (writes > 0 && count + entries.length > groupSize) break
      writes++
      count += entries.length
    }
    const entries = queue.slice(0, writes).flat()
    queue = queue.slice(writes)
    queued -= count
    grouped += writes
    if (queue.length === 0) {
      hasLingered = false
      stopLingering()
    }
    if (waited <= grouped && queued < groupSize && !hasLingered) due.unsafeClose()
    return { group: prepare(entries), writes, entries: count, size: sizeOfAll(entries) }
  }

  const answer = (exit: Exit.Exit<void, StoreFailure>, answered: (waiter: Waiter) => boolean) => {
    const rest: Array<Waiter> = []
    for (const waiter of waiters) {
      if (answered(waiter)) Deferred.unsafeDone(waiter.kept, exit)
      else rest.push(waiter)
    }
    waiters = rest
  }

  const onKept = (done: Held<Group>) => {
    held = undefined
    size -= done.size
    kept += done.writes
    answer(Exit.void, ({ write }) => write <= kept)
  }

  const onFailure = (cause: StoreFailure) =>
    Effect.suspend(() => {
      const first = failure === undefined
      failure = cause
      answer(Exit.fail(cause), () => true)
      return first
        ? Effect.logError(`The store cannot be written; work is refused until it can: ${reasonOf(cause)}`)
        : Effect.void
    })

  // What was lost has to be known to everybody who waits, so commits fail until all that is held is kept.
  const recover = Effect.suspend(() => {
    if (!failure || (lost > 0 && kept < taken)) return Effect.void
    const message =
      lost > 0 ? `The store can be written again; ${lost} entries are lost` : "The store can be written again"
    const level = lost > 0 ? Effect.logError : Effect.logWarning
    failure = undefined
    lost = 0
    return level(message)
  })

  const keepNext = Effect.suspend(() => {
    const next = held ?? nextGroup()
    held = next
    return Effect.tap(keep(next.group), () => Effect.sync(() => onKept(next)))
  })

  const writer = due.await.pipe(
    Effect.zipRight(keepNext.pipe(Effect.tapError(onFailure), Effect.retry(retries))),
    Effect.zipRight(recover),
    Effect.zipRight(nextTurn),
    Effect.forever,
    Effect.catchAllDefect((cause) =>
      onFailure(new StoreFailure({ message: "The store's writer has stopped", cause }))
    )
  )

  const left = () => queue.reduce((count, entries) => count + entries.length, held?.entries ?? 0)
  const drain = Effect.whileLoop({ while: () => left() > 0, body: () => keepNext, step: () => {} })
  const flush = Effect.gen(function* () {
    yield* drain.pipe(Effect.disconnect, Effect.interruptible, Effect.timeout(flushBound), Effect.exit)
    if (left() > 0)
      yield* Effect.logError(`The store was closed with ${left()} entries unwritten, which are lost`)
    failure = new StoreFailure({ message: "The store is closed" })
    answer(Exit.fail(failure), () => true)
  })
  yield* Effect.addFinalizer(() => flush)
  yield* Effect.forkScoped(Effect.interruptible(writer))

  const ready = Effect.suspend(() => (failure ? Effect.fail(failure) : Effect.void))

  return { write, commit, ready }
})
