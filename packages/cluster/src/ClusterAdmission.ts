import { type ExecutionId, QueueTimeout, type Refusal, SystemAtCapacity, type UserId } from "@bulkhead/domain"
import { Admission, type Admittee, GpuSupply, LimitsInForce, type LimitValues } from "@bulkhead/sandbox"
import { Deferred, Duration, Effect, Layer, Option, Ref, Schedule } from "effect"
import { OwnerClient } from "./OwnerClient.js"
import { type OwnPlace, Places } from "./Places.js"
import type { Answer, Look, Place, Session, SessionId, SyncAnswer, VersionedLimits } from "./Protocol.js"
import * as QuestionTimes from "./QuestionTimes.js"

/** After so long without a word of the owner, who waits is told that it waits. */
const wordBound = Duration.seconds(1)
/** How long a replica that ends tries to say so: by then there is another owner where one has died. */
const overBound = Duration.seconds(6)
/** How long what cannot wait in the queue waits for the owner. */
const hasteBound = Duration.seconds(5)
/** By then another owner may be there that counts GPUs, in seconds. */
const upgradeTime = 60
/** How long the limits are tried to be changed. */
const adjustBound = Duration.seconds(10)

export interface ClusterAdmissionOptions {
  readonly session: Session
  /** Sessions of which it is known that they are dead and that their sandboxes are gone. Default none. */
  readonly dead?: ReadonlyArray<SessionId>
}

const unreachable = "The limits of all replicas cannot be asked at present"

const queueTimeout = (executionId: ExecutionId, { maxQueueWait }: LimitValues) =>
  new QueueTimeout({
    executionId,
    message: `No place became free within ${maxQueueWait} s`,
    retryAfter: Math.ceil(maxQueueWait)
  })

const olderOwner = ({ executionId }: Place) =>
  new SystemAtCapacity({
    executionId,
    message: "System at capacity: GPUs are given when every replica has been upgraded",
    retryAfter: upgradeTime
  })

/** GPUs that so many of them hold. */
const gpusOf = (places: ReadonlyArray<OwnPlace>) =>
  places.reduce((sum, { place: { gpus, state } }) => sum + (state === "holds" ? (gpus?.count ?? 0) : 0), 0)

/** `Admission` that asks whoever owns it, and tells the owner what waits and runs here. */
export const layer = (
  options: ClusterAdmissionOptions
): Layer.Layer<Admission, never, LimitsInForce | OwnerClient> => Layer.scoped(Admission, make(options))

const make = Effect.fnUntraced(function* ({ dead = [], session }: ClusterAdmissionOptions) {
  const owner = yield* OwnerClient
  const inForce = yield* LimitsInForce
  const gpus = yield* GpuSupply
  const places = new Places(session, gpus)
  const changes = yield* Effect.makeLatch()
  const epoch = yield* Ref.make(0)
  const limitsVersion = yield* Ref.make(0)
  /** Present: whoever comes is sent away with it. */
  const dismissal = yield* Ref.make<((executionId: ExecutionId) => Refusal) | undefined>(undefined)
  /** Of work that runs elsewhere, whose ends are told by the user alone. */
  const tracked = new Map<UserId, Array<OwnPlace>>()

  const changed = <A>(change: () => A) => Effect.zipLeft(Effect.sync(change), changes.open)

  const leave = ({ place }: OwnPlace) => changed(() => places.remove(place.number))

  const grant = (number: number, countsGpus: boolean) =>
    Effect.suspend(() => {
      const entry = places.find(number)
      if (entry === undefined || entry.place.state === "holds") return Effect.void
      if (entry.place.gpus !== undefined && !countsGpus)
        return deny({ number, denial: olderOwner(entry.place) })
      places.become(entry, { state: "holds" })
      return Deferred.succeed(entry.turn, undefined)
    })
  const deny = ({ denial, number }: Answer["denied"][number]) =>
    Effect.suspend(() => {
      const entry = places.find(number)
      if (entry === undefined) return Effect.void
      places.remove(number)
      return Deferred.fail(entry.turn, denial)
    })
  const queue = ({ ahead, number, ticket }: Answer["queued"][number]) =>
    Effect.suspend(() => {
      const entry = places.find(number)
      if (entry === undefined) return Effect.void
      places.become(entry, { ticket })
      return Deferred.succeed(entry.queued, ahead)
    })
  const revoke = (entry: OwnPlace) =>
    Effect.zipRight(
      Effect.sync(() => places.remove(entry.place.number)),
      Deferred.succeed(entry.revoked, undefined)
    )
  const takeLimits = ({ values, version }: VersionedLimits) =>
    Effect.zipRight(Ref.set(inForce, values), Ref.set(limitsVersion, version))

  const each = <A>(all: ReadonlyArray<A>, f: (one: A) => Effect.Effect<unknown>) =>
    Effect.forEach(all, f, { discard: true })

  const takeAnswer = Effect.fnUntraced(function* (answer: Answer) {
    places.confirm(answer.version)
    yield* each(answer.queued, queue)
    yield* each(answer.granted, (number) => grant(number, answer.countsGpus === true))
    yield* each(answer.denied, deny)
    yield* each(answer.revoked, (number) => {
      const entry = places.find(number)
      return entry === undefined ? Effect.void : revoke(entry)
    })
    if (answer.limits !== undefined) yield* takeLimits(answer.limits)
  })

  /** What comes late, of an owner that is not the newest, says nothing. */
  const take = Effect.fnUntraced(function* (answer: SyncAnswer) {
    if (answer.epoch < (yield* Ref.get(epoch))) return
    yield* Ref.set(epoch, answer.epoch)
    switch (answer._tag) {
      case "Answer":
        return yield* takeAnswer(answer)
      case "Unknown":
        return places.forgetOwner()
      case "Over":
        return yield* each(
          places.values.filter(({ place }) => place.state === "holds"),
          revoke
        )
    }
  })

  const call = (isPatient: boolean, isOver = false) =>
    Effect.gen(function* () {
      const about = { epoch: yield* Ref.get(epoch), limits: yield* Ref.get(limitsVersion) }
      const told = places.tell({ ...about, isPatient, isOver, dead })
      return yield* owner.sync(told)
    }).pipe(Effect.disconnect, Effect.interruptible, Effect.timeout(QuestionTimes.bound))

  /** Tells what changed; when nothing did, asks for news until something does. */
  const talk = Effect.gen(function* () {
    yield* changes.close
    const asked = places.hasChanged
      ? Effect.asSome(call(false))
      : Effect.raceFirst(Effect.asSome(call(true)), Effect.as(changes.await, Option.none<SyncAnswer>()))
    const answer = yield* asked
    if (Option.isNone(answer)) return
    yield* Effect.uninterruptible(take(answer.value))
    if (answer.value._tag === "Over") yield* Effect.sleep(QuestionTimes.pause)
  }).pipe(
    Effect.catchAllCause((cause) =>
      Effect.zipRight(
        Effect.logDebug("The owner of admission gave no answer", cause),
        Effect.sleep(QuestionTimes.pause)
      )
    )
  )
  /** The next owner must be told everything first; what nobody knows to be over keeps its permits for long. */
  const sayOver = call(false, true).pipe(
    Effect.tap(take),
    Effect.filterOrFail(({ _tag }) => _tag === "Over"),
    Effect.retry(Schedule.spaced(QuestionTimes.pause)),
    Effect.interruptible,
    Effect.timeoutOption(overBound),
    Effect.ignore
  )
  yield* Effect.addFinalizer(() => sayOver)
  yield* Effect.forkScoped(Effect.interruptible(Effect.forever(talk)))

  const waitingHere = Effect.sync(() => places.values.filter(({ place }) => place.state === "waits").length)
  const activeHere = Effect.sync(() => places.values.filter(({ place }) => place.state === "holds").length)

  /** Says that it waits, when the owner says so, or says nothing for long. */
  const tellWait = ({ queued }: OwnPlace, onWait: (ahead: number) => Effect.Effect<void>) =>
    Deferred.await(queued).pipe(
      Effect.timeoutTo({
        duration: wordBound,
        onSuccess: Effect.succeed<number>,
        onTimeout: () => waitingHere
      }),
      Effect.flatten,
      Effect.flatMap(onWait)
    )

  const waitForTurn = (entry: OwnPlace, onWait: (ahead: number) => Effect.Effect<void>) =>
    Effect.flatMap(Ref.get(inForce), (limits) =>
      Effect.raceFirst(
        Deferred.await(entry.turn),
        Effect.zipRight(tellWait(entry, onWait), Deferred.await(entry.turn))
      ).pipe(
        Effect.timeoutFail({
          duration: Duration.seconds(limits.maxQueueWait),
          onTimeout: () => queueTimeout(entry.place.executionId, limits)
        })
      )
    )

  const enter = Effect.fnUntraced(function* (who: Admittee, onWait: (ahead: number) => Effect.Effect<void>) {
    const refusal = yield* Ref.get(dismissal)
    if (refusal !== undefined) return yield* Effect.fail(refusal(who.executionId))
    const entry = yield* places.add(who, false)
    yield* changes.open
    yield* Effect.interruptible(waitForTurn(entry, onWait)).pipe(Effect.onError(() => leave(entry)))
    return entry
  })

  /** Whose permit was given to others must not go on. */
  const whileOwn = <A, E, R>({ revoked }: OwnPlace, effect: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(
      effect,
      Effect.zipRight(
        Deferred.await(revoked),
        Effect.dieMessage(
          "Its place was given to others, since this replica gave no sign of life for too long"
        )
      )
    )

  const tooBusy = ({ executionId }: Admittee) =>
    new SystemAtCapacity({ executionId, message: `System at capacity: ${unreachable}`, retryAfter: 1 })

  const enterNow = (who: Admittee) =>
    Effect.gen(function* () {
      const entry = yield* places.add(who, true)
      yield* changes.open
      yield* Effect.interruptible(Deferred.await(entry.turn)).pipe(
        Effect.timeoutFail({ duration: hasteBound, onTimeout: () => tooBusy(who) }),
        Effect.mapError((refusal) => (refusal._tag === "SystemAtCapacity" ? refusal : tooBusy(who))),
        Effect.tapError(() => leave(entry))
      )
      tracked.set(who.userId, [...(tracked.get(who.userId) ?? []), entry])
    }).pipe(Effect.uninterruptible)

  const leaveTracked = ({ userId }: Admittee) =>
    Effect.suspend(() => {
      const [first, ...others] = tracked.get(userId) ?? []
      if (others.length > 0) tracked.set(userId, others)
      else tracked.delete(userId)
      return first === undefined ? Effect.void : leave(first)
    })

  const look = (at: Look) =>
    Effect.option(
      owner.look(at).pipe(Effect.disconnect, Effect.interruptible, Effect.timeout(QuestionTimes.bound))
    )

  return Admission.of({
    gpus,
    withPermit: (who, onWait, effect) =>
      Effect.acquireUseRelease(enter(who, onWait), (entry) => whileOwn(entry, effect), leave),
    enterNow,
    leave: leaveTracked,
    canStart: (userId) =>
      Effect.flatMap(look({ userId }), (seen) =>
        Option.match(
          Option.flatMapNullable(seen, ({ admissibility }) => admissibility),
          {
            onNone: () =>
              Effect.map(waitingHere, (ahead) => ({ allowed: false, reason: unreachable, ahead })),
            onSome: Effect.succeed
          }
        )
      ),
    aheadOf: ({ executionId, userId }) =>
      Effect.map(
        look({ userId, executionId }),
        Option.flatMapNullable(({ ahead }) => ahead)
      ),
    occupancy: Effect.flatMap(
      look({}),
      Option.match({
        onNone: () =>
          Effect.map(Effect.all([activeHere, waitingHere]), ([active, queued]) => ({
            active,
            queued,
            users: new Set(places.values.map(({ place }) => place.userId)).size,
            gpus: gpusOf(places.values)
          })),
        onSome: ({ all }) => Effect.succeed(all)
      })
    ),
    occupancyOf: (userId) =>
      Effect.map(look({ userId }), (seen) =>
        Option.getOrElse(
          Option.flatMapNullable(seen, ({ own }) => own),
          () => {
            const own = places.values.filter(({ place }) => place.userId === userId)
            const active = own.filter(({ place }) => place.state === "holds").length
            return { active, queued: own.length - active, gpus: gpusOf(own) }
          }
        )
      ),
    adjust: (values) =>
      owner
        .adjust(values)
        .pipe(
          Effect.timeout(QuestionTimes.bound),
          Effect.retry(Schedule.spaced(QuestionTimes.pause)),
          Effect.timeout(adjustBound),
          Effect.orDie
        ),
    dismiss: (refusal) =>
      Effect.zipRight(
        Ref.set(dismissal, refusal),
        Effect.suspend(() =>
          each(
            places.values.filter(({ place }) => place.state === "waits"),
            (entry) => Deferred.fail(entry.turn, refusal(entry.place.executionId))
          )
        )
      )
  })
})
