import { type Entry, Instruments, StoreFailure } from "@bulkhead/sandbox"
import { Deferred, Duration, Effect, Metric, Schedule, type Scope } from "effect"
import * as EventLoop from "../Database/EventLoop.js"
import { wordsOf } from "../Database/Failures.js"

export interface GroupCommitOptions {
  /** Entries of one group at most, unless a single append has more. Default 500. */
  readonly groupSize?: number
  /**
   * How long a group waits for more entries, at most. It does not wait when it is full or a commit waits for it.
   * Entries that nobody committed yet are lost when the process is killed in this time. Default 50 ms: a lone
   * `print(1)` over HTTP takes less, so everything that happens to it is one transaction instead of six.
   */
  readonly linger?: Duration.DurationInput
  /** Bytes, roughly, that are buffered at most while nothing can be written. Default 256 MiB. */
  readonly maxBuffered?: number
}

/** Group commit: whoever commits at the same time shares one transaction, and one wait for the disk. */
export interface GroupCommit {
  /** Takes entries in, without waiting until they are written. They are written in this order, whole or not at all. */
  readonly append: (entries: ReadonlyArray<Entry>) => Effect.Effect<void>
  /** Returns when everything that was appended before is written. Fails when that cannot be written now. */
  readonly commit: Effect.Effect<void, StoreFailure>
  /** Fails from the first group that could not be written until one can. */
  readonly ready: Effect.Effect<void, StoreFailure>
}

/** The entries of one transaction. */
interface Group {
  readonly entries: Array<Entry>
  readonly waiters: Array<Deferred.Deferred<void, StoreFailure>>
  bytes: number
  /** Set before the first try to write it. From then on the group takes no more entries. */
  write?: Effect.Effect<void, StoreFailure>
}

/** How long one try to write a group may take. */
const writeTimeout = Duration.seconds(30)

/** How long writing the last entries may take when the scope ends. */
const flushTimeout = Duration.seconds(10)

/** Ends soon after the database is back. */
const retrySchedule = Schedule.union(Schedule.exponential("50 millis"), Schedule.spaced("500 millis"))

const writeTime = Instruments.seconds(
  "bulkhead_store_write_seconds",
  "How long the database took to write one group of entries."
)
const writeFailures = Instruments.counter(
  "bulkhead_store_write_failures_total",
  "Groups of entries that could not be written, each time it was tried."
)

const measured = (write: Effect.Effect<void, StoreFailure>) =>
  Effect.timed(write).pipe(
    Effect.flatMap(([time]) => Metric.update(writeTime, Duration.toSeconds(time))),
    Effect.tapError(() => Metric.increment(writeFailures))
  )

const sizeOf = (entry: Entry) =>
  entry._tag === "Ended" && entry.end.result
    ? 1024 + entry.end.result.stdout.length + entry.end.result.stderr.length
    : 512

const sizeOfAll = (entries: ReadonlyArray<Entry>) => entries.reduce((size, entry) => size + sizeOf(entry), 0)

// A database call that cannot be interrupted is left behind when its time is up.
const withWriteTimeout = (write: Effect.Effect<void, StoreFailure>) =>
  write.pipe(
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeoutFail({
      duration: writeTimeout,
      onTimeout: () =>
        new StoreFailure({
          message: "The store could not be written",
          cause: new Error(`no answer within ${Duration.format(writeTimeout)}`)
        })
    })
  )

/**
 * One fiber writes the groups, in order. A group that cannot be written is tried again until it can, and all commits
 * fail meanwhile. When the scope ends, the rest is written, each group in one try.
 *
 * `prepare` is called once for each group, when the previous one is written. The effect it gives writes the group whole
 * or not at all, and changes nothing when an earlier run of it did succeed.
 */
export const make = Effect.fnUntraced(function* (
  prepare: (entries: ReadonlyArray<Entry>) => Effect.Effect<void, StoreFailure>,
  { groupSize = 500, linger = "50 millis", maxBuffered = 256 * 1_048_576 }: GroupCommitOptions = {}
): Effect.fn.Return<GroupCommit, never, Scope.Scope> {
  /** Oldest first. */
  const groups: Array<Group> = []
  let buffered = 0
  let lost = 0
  let failure: StoreFailure | undefined
  const hasGroup = yield* Effect.makeLatch()
  const firstIsDue = yield* Effect.makeLatch()

  const isDue = ({ entries, waiters }: Group) =>
    groups.length > 1 || waiters.length > 0 || entries.length >= groupSize

  const openLatches = (): Effect.Effect<void> => {
    const [first] = groups
    if (first === undefined) return Effect.void
    return isDue(first) ? Effect.zipRight(firstIsDue.open, hasGroup.open) : hasGroup.open
  }

  // Closed first, so that nothing that happens in between is missed.
  const resetLatches = Effect.all([hasGroup.close, firstIsDue.close, Effect.suspend(openLatches)], {
    discard: true
  })

  const buffer = (entries: ReadonlyArray<Entry>) => {
    const bytes = sizeOfAll(entries)
    if (failure && buffered + bytes > maxBuffered) {
      lost += entries.length
      return
    }
    buffered += bytes
    const last = groups.at(-1)
    if (last && !last.write && last.entries.length + entries.length <= groupSize) {
      last.entries.push(...entries)
      last.bytes += bytes
    } else groups.push({ entries: [...entries], waiters: [], bytes })
  }

  const append: GroupCommit["append"] = (entries) =>
    Effect.suspend(() => {
      if (entries.length > 0) buffer(entries)
      return openLatches()
    }).pipe(Effect.uninterruptible)

  const commit: GroupCommit["commit"] = Effect.flatMap(Deferred.make<void, StoreFailure>(), (written) =>
    Effect.suspend(() => {
      if (failure) return Effect.fail(failure)
      const last = groups.at(-1)
      if (last === undefined) return Effect.void
      last.waiters.push(written)
      return Effect.zipRight(openLatches(), Deferred.await(written))
    })
  )

  const ready = Effect.suspend(() => (failure ? Effect.fail(failure) : Effect.void))

  const onWritten = ({ bytes, waiters }: Group) =>
    Effect.suspend(() => {
      groups.shift()
      buffered -= bytes
      return Effect.forEach(waiters, (written) => Deferred.succeed(written, undefined), { discard: true })
    }).pipe(Effect.uninterruptible)

  const failCommits = (cause: StoreFailure) =>
    Effect.suspend(() => {
      failure = cause
      const waiting = groups.flatMap(({ waiters }) => waiters.splice(0))
      return Effect.forEach(waiting, (written) => Deferred.fail(written, cause), { discard: true })
    }).pipe(Effect.uninterruptible)

  const onFailure = (cause: StoreFailure) =>
    Effect.suspend(() => {
      const message = `The store cannot be written; work is refused until it can: ${wordsOf(cause)}`
      return Effect.zipRight(failCommits(cause), failure ? Effect.void : Effect.logError(message))
    })

  // Everybody who waits has to learn of a loss, so commits fail until all that is buffered is written.
  const recover = Effect.suspend(() => {
    if (!failure || (lost > 0 && groups.length > 0)) return Effect.void
    const message = "The store can be written again"
    const log =
      lost > 0 ? Effect.logError(`${message}; ${lost} entries are lost`) : Effect.logWarning(message)
    failure = undefined
    lost = 0
    return log
  })

  const writeFirst = Effect.suspend(() => {
    const [first] = groups
    if (first === undefined) return Effect.void
    first.write ??= measured(withWriteTimeout(prepare(first.entries)))
    return Effect.zipRight(first.write, onWritten(first))
  })

  const writeAll = hasGroup.await.pipe(
    Effect.zipRight(Effect.timeoutOption(firstIsDue.await, linger)),
    Effect.zipRight(Effect.retry(Effect.tapError(writeFirst, onFailure), retrySchedule)),
    Effect.zipRight(recover),
    Effect.zipRight(resetLatches),
    Effect.zipRight(EventLoop.nextTurn),
    Effect.forever,
    Effect.catchAllDefect((cause) =>
      onFailure(new StoreFailure({ message: "The store's writer has stopped", cause }))
    )
  )

  const flush = Effect.gen(function* () {
    yield* Effect.repeat(writeFirst, { while: () => groups.length > 0 }).pipe(
      Effect.interruptible,
      Effect.timeout(flushTimeout),
      Effect.exit
    )
    const left = groups.reduce((count, { entries }) => count + entries.length, 0)
    if (left > 0)
      yield* Effect.logError(`The store was closed with ${left} entries unwritten, which are lost`)
    yield* failCommits(new StoreFailure({ message: "The store is closed" }))
  })

  yield* Effect.addFinalizer(() => flush)
  yield* Effect.forkScoped(Effect.interruptible(writeAll))

  return { append, commit, ready }
})
