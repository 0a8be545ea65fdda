import { SystemAtCapacity } from "@bulkhead/domain"
import { GpuSupply, LimitsInForce } from "@bulkhead/sandbox"
import { Deferred, Duration, Effect, Fiber, Ref, Schedule, Scope } from "effect"
import { OwnerClient } from "./OwnerClient.js"
import { type OwnPlace, Places } from "./Places.js"
import type { Answer, Place, Session, SessionId, SyncAnswer, VersionedLimits } from "./Protocol.js"
import * as QuestionTimes from "./QuestionTimes.js"

/** How long a replica that ends tries to say so: by then there is another owner where one has died. */
const overBound = Duration.seconds(6)
/** By then another owner may be there that counts GPUs, in seconds. */
const upgradeTime = 60

const olderOwner = ({ executionId }: Place) =>
  new SystemAtCapacity({
    executionId,
    message: "System at capacity: GPUs are given when every replica has been upgraded",
    retryAfter: upgradeTime
  })

export interface TalkOptions {
  readonly session: Session
  /** Sessions of which it is known that they are dead and that their sandboxes are gone. Default none. */
  readonly dead?: ReadonlyArray<SessionId>
}

/** What this replica tells the owner of admission, and what it is told. */
export interface OwnerTalk {
  /** Whoever changes one of them sees to it that the owner is told. */
  readonly places: Places
  /** Tells the owner what changed. */
  readonly tell: Effect.Effect<void>
}

/** Talks with whoever is the owner, as long as the scope is open, and says at its end that all is over here. */
export const make = Effect.fnUntraced(function* ({
  dead = [],
  session
}: TalkOptions): Effect.fn.Return<OwnerTalk, never, LimitsInForce | OwnerClient | Scope.Scope> {
  const owner = yield* OwnerClient
  const inForce = yield* LimitsInForce
  const places = new Places(session, yield* GpuSupply)
  const scope = yield* Scope.Scope
  const changes = yield* Effect.makeLatch()
  const epoch = yield* Ref.make(0)
  const limitsVersion = yield* Ref.make(0)

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
  /** The answer to an earlier question may come after that to a later one. */
  const takeLimits = Effect.fnUntraced(function* ({ values, version }: VersionedLimits) {
    if (version <= (yield* Ref.get(limitsVersion))) return
    yield* Ref.set(inForce, values)
    yield* Ref.set(limitsVersion, version)
  })

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

  const ask = (isPatient: boolean) =>
    call(isPatient).pipe(
      Effect.flatMap((answer) => Effect.as(Effect.uninterruptible(take(answer)), answer)),
      Effect.tap(({ _tag }) => (_tag === "Over" ? Effect.sleep(QuestionTimes.pause) : Effect.void)),
      Effect.catchAllCause((cause) =>
        Effect.zipRight(
          Effect.logDebug("The owner of admission gave no answer", cause),
          Effect.sleep(QuestionTimes.pause)
        )
      )
    )

  /** Tells what changed, and asks for news until something more does; an answer to what came is waited for. */
  const talk = Effect.gen(function* () {
    yield* changes.close
    if (places.isAsking) return yield* ask(false)
    // The owner answers it when the next one comes.
    const patient = yield* Effect.forkIn(ask(true), scope)
    yield* Effect.raceFirst(Fiber.await(patient), changes.await)
  })
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

  return { places, tell: Effect.asVoid(changes.open) }
})
