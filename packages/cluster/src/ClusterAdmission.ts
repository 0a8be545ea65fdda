import {
  AdmissionUnreachable,
  type ExecutionId,
  QueueTimeout,
  type Refusal,
  SystemAtCapacity,
  type UserId
} from "@bulkhead/domain"
import { Admission, type Admittee, GpuSupply, LimitsInForce, type LimitValues } from "@bulkhead/sandbox"
import { Deferred, Duration, Effect, Layer, Option, Ref, Schedule } from "effect"
import { OwnerClient } from "./OwnerClient.js"
import * as OwnerTalk from "./OwnerTalk.js"
import type { OwnPlace } from "./Places.js"
import type { Look } from "./Protocol.js"
import * as QuestionTimes from "./QuestionTimes.js"

/** After so long without a word of the owner, who waits is told that it waits. */
const wordBound = Duration.seconds(1)
/** How long what cannot wait in the queue waits for the owner. */
const hasteBound = Duration.seconds(5)
/** How long the limits are tried to be changed. */
const adjustBound = Duration.seconds(10)

const unreachable = "The limits of all replicas cannot be asked at present"

const unadjusted = new AdmissionUnreachable({
  message: `The limits cannot be changed at present: the replica that admits for all of them gave no answer within ${Duration.format(adjustBound)}`,
  retryAfter: 5
})

const queueTimeout = (executionId: ExecutionId, { maxQueueWait }: LimitValues) =>
  new QueueTimeout({
    executionId,
    message: `No place became free within ${maxQueueWait} s`,
    retryAfter: Math.ceil(maxQueueWait)
  })

/** GPUs that so many of them hold. */
const gpusOf = (places: ReadonlyArray<OwnPlace>) =>
  places.reduce((sum, { place: { gpus, state } }) => sum + (state === "holds" ? (gpus?.count ?? 0) : 0), 0)

/** `Admission` that asks whoever owns it, and tells the owner what waits and runs here. */
export const layer = (
  options: OwnerTalk.TalkOptions
): Layer.Layer<Admission, never, LimitsInForce | OwnerClient> => Layer.scoped(Admission, make(options))

const make = Effect.fnUntraced(function* (options: OwnerTalk.TalkOptions) {
  const owner = yield* OwnerClient
  const inForce = yield* LimitsInForce
  const gpus = yield* GpuSupply
  const { places, tell } = yield* OwnerTalk.make(options)
  /** Present: whoever comes is sent away with it. */
  const dismissal = yield* Ref.make<((executionId: ExecutionId) => Refusal) | undefined>(undefined)
  /** Of work that runs elsewhere, whose ends are told by the user alone. */
  const tracked = new Map<UserId, Array<OwnPlace>>()

  const leave = ({ place }: OwnPlace) =>
    Effect.zipRight(
      Effect.sync(() => places.remove(place.number)),
      tell
    )

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
    yield* tell
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
      yield* tell
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
      owner.adjust(values).pipe(
        Effect.timeout(QuestionTimes.bound),
        Effect.retry(Schedule.spaced(QuestionTimes.pause)),
        Effect.timeout(adjustBound),
        Effect.mapError(() => unadjusted)
      ),
    dismiss: (refusal) =>
      Effect.zipRight(
        Ref.set(dismissal, refusal),
        Effect.suspend(() =>
          Effect.forEach(
            places.values.filter(({ place }) => place.state === "waits"),
            (entry) => Deferred.fail(entry.turn, refusal(entry.place.executionId)),
            { discard: true }
          )
        )
      )
  })
})
