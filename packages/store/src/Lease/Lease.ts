import { randomUUID } from "node:crypto"
import { SteadyClock, StoreFailure } from "@bulkhead/sandbox"
import type { SqlClient, SqlError } from "@effect/sql"
import { Context, Deferred, Duration, Effect, Layer, Ref, Schedule, Schema } from "effect"
import * as LeaseRows from "./LeaseRows.js"
import * as Sightings from "./Sightings.js"

/** Another server that is alive has this name. */
export class InstanceInUse extends Schema.TaggedError<InstanceInUse>()("InstanceInUse", {
  instance: Schema.String
}) {
  override get message() {
    return `another server named '${this.instance}' is running on this database`
  }
}

/** Another server took this one for dead, since it gave no sign of life, and has ended what it had begun. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  instance: Schema.String
}) {
  override get message() {
    return (
      `server '${this.instance}' gave no sign of life for too long, and another one on its database took it for dead ` +
      "and ended what it had begun; start it again"
    )
  }
}

export interface LeaseOptions {
  /** The name of this server, the same after a restart, and no other running server's. Default `main`. */
  readonly instance?: string
  /** What this life of the server calls itself in the database, and none before it. Default a random word. */
  readonly holder?: string
  /** Whether the life that called itself so is known to be dead, so that nobody has to wait. Default: none is. */
  readonly isDead?: (holder: string) => boolean
  /**
   * After so long without a sign of life a server counts as dead. Default 15 seconds; signs are 5 times as frequent, and
   * one that failed, or took as long as until the next one, is tried again after a sixth of that.
   */
  readonly duration?: Duration.DurationInput
}

/** The right to work under an instance's name, held as long as its scope is open and signs of life are written. */
export class Lease extends Context.Tag("@bulkhead/store/Lease")<
  Lease,
  {
    /** Fails unless the lease was held a moment ago: after a pause of this process, until it has been renewed. */
    readonly check: Effect.Effect<void, StoreFailure>
    /**
     * The holders of all servers' leases at present. One that held a lease and is not among them is dead, or finds that
     * it has lost its lease, and ends.
     */
    readonly holders: Effect.Effect<ReadonlySet<string>, StoreFailure>
    /** Returns only when the lease is lost. Then nothing can be written any more, and the server should end. */
    readonly lost: Effect.Effect<never, LeaseLost>
  }
>() {}

/** How long giving it back may take. */
const patience = Duration.seconds(5)

const make = Effect.fnUntraced(function* (options: LeaseOptions) {
  const { holder = randomUUID(), instance = "main", isDead = () => false } = options
  const duration = Duration.toMillis(options.duration ?? "15 seconds")
  const interval = duration / 5
  const rows = yield* LeaseRows.make

  const end = (row: Sightings.LeaseRow) =>
    Effect.tap(rows.end(row), (isEnded) =>
      isEnded && row.instance !== instance
        ? Effect.logWarning(`Server '${row.instance}' is dead; what it had begun is ended here`)
        : Effect.void
    )

  /** Whose row nobody has changed until the time is over is dead; who changes it is alive. */
  const awaitEnd = Effect.fnUntraced(function* (row: Sightings.LeaseRow) {
    let sightings = Sightings.look(Sightings.none, [row], yield* SteadyClock.now, Number.POSITIVE_INFINITY)
    while (Sightings.unrenewed(sightings, duration).length === 0) {
      yield* Effect.sleep(Duration.millis(interval / 2))
      const found = (yield* rows.all).filter((other) => other.instance === instance)
      sightings = Sightings.look(sightings, found, yield* SteadyClock.now, Number.POSITIVE_INFINITY)
      const [current] = found
      if (current === undefined) return
      if (current.holder !== row.holder || current.renewals !== row.renewals)
        return yield* new InstanceInUse({ instance })
    }
    yield* end(row)
  })

  const take: Effect.Effect<void, InstanceInUse | SqlError.SqlError> = Effect.gen(function* () {
    const all = yield* rows.all
    yield* Effect.forEach(
      all.filter(({ holder }) => isDead(holder)),
      end,
      { discard: true }
    )
    if (yield* rows.take(instance, holder)) return
    const other = (yield* rows.all).find((row) => row.instance === instance)
    if (other !== undefined && !isDead(other.holder)) yield* awaitEnd(other)
    yield* Effect.suspend(() => take)
  })

  const giveBack = rows.giveBack(instance, holder)
  yield* Effect.addFinalizer(() =>
    giveBack.pipe(Effect.disconnect, Effect.interruptible, Effect.timeoutOption(patience), Effect.ignore)
  )
  yield* Effect.catchTag(
    take,
    "SqlError",
    (cause) => new StoreFailure({ message: "The database could not be used", cause })
  )

  const renewedAt = yield* Ref.make(yield* SteadyClock.now)
  const sightings = yield* Ref.make(Sightings.none)
  const lost = yield* Deferred.make<never, LeaseLost>()

  const watchOthers = Effect.gen(function* () {
    const others = (yield* rows.all).filter((row) => row.instance !== instance)
    const at = yield* SteadyClock.now
    const seen = yield* Ref.updateAndGet(sightings, (before) =>
      Sightings.look(before, others, at, 2 * interval)
    )
    yield* Effect.forEach(Sightings.unrenewed(seen, duration), end, { discard: true })
  })

  const renew = Effect.gen(function* () {
    const at = yield* SteadyClock.now
    if (!(yield* rows.renew(instance, holder))) return yield* Deferred.fail(lost, new LeaseLost({ instance }))
    yield* Ref.set(renewedAt, at)
    yield* watchOthers
  }).pipe(
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeout(Duration.millis(interval)),
    Effect.sandbox,
    Effect.tapError((cause) => Effect.logDebug("The lease could not be renewed; it is tried again", cause)),
    // A database that is away for a moment again and again must not be missed in between.
    Effect.retry(Schedule.spaced(Duration.millis(interval / 6))),
    Effect.orDie
  )
  yield* Effect.forkScoped(
    Effect.interruptible(Effect.repeat(Effect.delay(renew, Duration.millis(interval)), Schedule.forever))
  )

  return Lease.of({
    check: Effect.gen(function* () {
      if ((yield* SteadyClock.now) - (yield* Ref.get(renewedAt)) >= duration)
        return yield* new StoreFailure({ message: `It is not sure that server '${instance}' may still work` })
    }),
    holders: rows.all.pipe(
      Effect.map((all) => new Set(all.map(({ holder }) => holder))),
      Effect.mapError((cause) => new StoreFailure({ message: "The leases could not be read", cause }))
    ),
    lost: Deferred.await(lost)
  })
})

/**
 * Takes the lease of an instance, waiting for its end where the one that held it may be dead, and renews it until the
 * scope closes. Ends the leases of other instances on the database that give no sign of life.
 */
export const layer = (
  options: LeaseOptions = {}
): Layer.Layer<Lease, InstanceInUse | StoreFailure, SqlClient.SqlClient> => Layer.scoped(Lease, make(options))
