import { Limits, type LimitValues } from "@bulkhead/sandbox"
import { Context, Deferred, Duration, Effect, Layer, Option, Ref, Schedule } from "effect"
import * as Member from "./Member.js"
import * as Membership from "./Membership.js"
import * as OwnedQueue from "./OwnedQueue.js"
import { type LedgerFailure, PermitLedger } from "./PermitLedger.js"
import {
  type Look,
  NotOwner,
  Over,
  type Seen,
  type Session,
  type Sync,
  type SyncAnswer,
  type VersionedLimits
} from "./Protocol.js"
import * as QuestionTimes from "./QuestionTimes.js"
import * as Tenure from "./Tenure.js"

/** How long an owner that begins waits for the replicas that were there: the one before it may have kept a question. */
const gathering = QuestionTimes.untilNext
/** After so long without a question, what waits at a replica does not wait here: two in a row were lost. */
const silence = 2 * Duration.toMillis(QuestionTimes.untilNext)
/** After so long without a question, a replica's sandboxes are looked for, if that can be done. */
const absence = 20_000
/** How long a sandbox may live beyond its program's time, in seconds. */
const lifetimeMargin = 60

export interface AdmissionOwnerOptions {
  /**
   * Ends the sandboxes that a dead session left, and says whether it is certain that none is left. Default: nobody
   * knows, and its permits are given to others when the sandboxes' lifetimes are over.
   */
  readonly reap?: (session: Session) => Effect.Effect<boolean>
}

/** Who may run now, for all replicas: the queue and the permits of one of them, asked by all. */
export class AdmissionOwner extends Context.Tag("@bulkhead/cluster/AdmissionOwner")<
  AdmissionOwner,
  {
    /** Takes what a replica tells, and answers when there is something to tell, or after half a second. */
    readonly sync: (told: Sync) => Effect.Effect<SyncAnswer, NotOwner>
    readonly look: (at: Look) => Effect.Effect<Seen, NotOwner>
    /** Puts other limits in force for all replicas. */
    readonly adjust: (values: LimitValues) => Effect.Effect<void, NotOwner>
    /** Returns when this is not the owner any more. */
    readonly deposed: Effect.Effect<void>
  }
>() {
  /** From now on this is the owner, until there is another one. */
  static layer(
    options: AdmissionOwnerOptions = {}
  ): Layer.Layer<AdmissionOwner, LedgerFailure, Limits | PermitLedger> {
    return Layer.scoped(AdmissionOwner, make(options))
  }
}

/** Looks after something again and again, as long as the scope is open. */
const every = <A>(interval: Duration.DurationInput, effect: Effect.Effect<A>) =>
  effect.pipe(
    Effect.catchAllCause((cause) => Effect.logWarning("Admission could not be looked after", cause)),
    Effect.repeat(Schedule.spaced(interval)),
    Effect.interruptible,
    Effect.forkScoped
  )

const make = Effect.fnUntraced(function* ({ reap }: AdmissionOwnerOptions) {
  const ledger = yield* PermitLedger
  const own = yield* Limits
  const found = yield* ledger.open
  const { epoch } = found
  const limits = yield* Ref.make<VersionedLimits | undefined>(found.limits)
  const values = Effect.map(Ref.get(limits), (changed) => changed?.values ?? own)
  const tenure = yield* Tenure.make(epoch)
  const queue = yield* OwnedQueue.make(epoch, yield* values)
  const membership = yield* Membership.make({ found, ledger, queue, tenure })
  const { admission } = queue
  yield* queue.adjust(yield* values)
  const opened = yield* Deferred.make<void>()
  const one = yield* Effect.makeSemaphore(1)
  const serially = <A, E>(effect: Effect.Effect<A, E>) => Effect.uninterruptible(one.withPermits(1)(effect))

  /** Returns when there is something to tell, or somebody else asks for the same replica. */
  const awaitNews = (member: Member.Member, turn: number): Effect.Effect<void, NotOwner> =>
    Effect.gen(function* () {
      yield* member.news.close
      if (member.asked !== turn || Member.hasNews(member, yield* Ref.get(limits))) return
      yield* Effect.raceFirst(member.news.await, tenure.over)
      yield* awaitNews(member, turn)
    })

  const answer = Effect.fnUntraced(function* (member: Member.Member, turn: number) {
    // It may have ended meanwhile: a permit of an ended session would never be given back.
    if (membership.isOver(member.session.id)) return new Over({ epoch })
    // Whoever asked later gets the permits; here nobody may be listening any more.
    if (member.asked === turn) yield* membership.settle(member)
    yield* tenure.check
    return Member.answer(member, epoch, yield* Ref.get(limits))
  })

  const sync = Effect.fn("AdmissionOwner.sync")(function* (told: Sync) {
    if (told.epoch > epoch) yield* tenure.end(`There is an owner of epoch ${told.epoch}`)
    yield* tenure.check
    const taken = yield* serially(membership.take(told))
    yield* tenure.check
    if (!("member" in taken)) return taken
    const { member, turn } = taken
    if (told.isPatient && !Member.hasNews(member, yield* Ref.get(limits)))
      yield* Effect.timeoutOption(awaitNews(member, turn), QuestionTimes.patience)
    return yield* serially(answer(member, turn))
  })

  /** Takes what waits at silent replicas out of the queue, and ends the sessions whose sandboxes are gone. */
  const watch = Effect.gen(function* () {
    const { killGracePeriod, maxTimeout } = yield* values
    const lifetime = (maxTimeout + killGracePeriod + lifetimeMargin) * 1000
    yield* Effect.forEach(yield* membership.silentFor(silence), membership.leaveOut, { discard: true })
    const dead = yield* membership.silentFor(absence + lifetime)
    yield* Effect.forEach(dead, ({ session }) => membership.end(session.id), { discard: true })
    yield* membership.settle()
  })
  const reapAbsent = (reap: (session: Session) => Effect.Effect<boolean>) =>
    Effect.flatMap(membership.silentFor(absence), (absent) =>
      Effect.forEach(
        absent,
        ({ session }) => Effect.whenEffect(serially(membership.end(session.id)), reap(session)),
        { discard: true }
      )
    )

  yield* Effect.gen(function* () {
    yield* Effect.timeoutOption(membership.gathered, gathering)
    yield* serially(Effect.flatMap(membership.arriving, queue.open))
    yield* Deferred.succeed(opened, undefined)
    yield* every("500 millis", serially(watch))
    if (reap !== undefined) yield* every("5 seconds", reapAbsent(reap))
  }).pipe(Effect.interruptible, Effect.forkScoped)
  yield* Effect.addFinalizer(() => tenure.end("It is shutting down"))

  return AdmissionOwner.of({
    deposed: Effect.ignore(tenure.over),
    sync,
    look: Effect.fn("AdmissionOwner.look")(function* ({ executionId, userId }: Look) {
      yield* Effect.raceFirst(Deferred.await(opened), tenure.over)
      yield* tenure.check
      const seen: Seen = { all: yield* admission.occupancy }
      if (userId === undefined) return seen
      const ahead =
        executionId === undefined ? Option.none() : yield* admission.aheadOf({ executionId, userId })
      return {
        ...seen,
        own: yield* admission.occupancyOf(userId),
        admissibility: yield* admission.canStart(userId),
        ...(Option.isSome(ahead) ? { ahead: ahead.value } : {})
      }
    }),
    adjust: Effect.fn("AdmissionOwner.adjust")(function* (values: LimitValues) {
      yield* tenure.check
      const changed = { version: ((yield* Ref.get(limits))?.version ?? 0) + 1, values }
      if (!(yield* tenure.write((epoch) => ledger.setLimits(epoch, changed))))
        return yield* new NotOwner({ reason: "The limits could not be written down" })
      yield* Ref.set(limits, changed)
      yield* queue.adjust(values)
      yield* membership.wakeAll
    })
  })
})
