import { Admission, GpuSupply, Limits, type LimitValues } from "@bulkhead/sandbox"
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Layer,
  Option,
  Order,
  Ref,
  Schedule
} from "effect"
import { MachineGpus } from "./MachineGpus.js"
import * as Member from "./Member.js"
import { type Deposed, LedgerFailure, type PermitKey, PermitLedger } from "./PermitLedger.js"
import {
  isDenial,
  type Look,
  NotOwner,
  Over,
  type Place,
  type Seen,
  type Session,
  type SessionId,
  type Sync,
  type SyncAnswer,
  Unknown,
  type VersionedLimits
} from "./Protocol.js"
import * as QuestionTimes from "./QuestionTimes.js"

/** How long an owner that begins waits for the replicas that were there: the one before it may have kept a question. */
const gathering = QuestionTimes.untilNext
/** After so long without a question, what waits at a replica does not wait here: two in a row were lost. */
const silence = 2 * Duration.toMillis(QuestionTimes.untilNext)
/** After so long without a question, a replica's sandboxes are looked for, if that can be done. */
const absence = 20_000
/** How long a write of the ledger may take. */
const writeBound = Duration.seconds(5)
/** How long a sandbox may live beyond its program's time, in seconds. */
const lifetimeMargin = 60

/** `Effect.never` keeps a timer of the process for each that waits. */
const untilInterrupted = Effect.async<never>(() => {})

/** Tickets of a later owner are larger than those of an earlier one. */
const ticketsOf = (epoch: number) => epoch * 1_000_000_000

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

const unlimited = (values: LimitValues): LimitValues => ({
  ...values,
  maxConcurrentSandboxes: Number.MAX_SAFE_INTEGER,
  maxSandboxesPerUser: Number.MAX_SAFE_INTEGER,
  maxGpus: Number.MAX_SAFE_INTEGER,
  maxGpusPerUser: Number.MAX_SAFE_INTEGER
})

/** The fair queue and the permits of one process, with these limits and GPUs. */
const oneProcess = (values: LimitValues, { supply }: MachineGpus) =>
  Layer.build(Admission.layer).pipe(
    Effect.provideService(Limits, values),
    Effect.provideService(GpuSupply, supply),
    Effect.map((context) => Context.get(context, Admission))
  )

const now = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

const make = Effect.fnUntraced(function* ({ reap }: AdmissionOwnerOptions) {
  const ledger = yield* PermitLedger
  const { epoch, over: overBefore, permits, sessions, ...found } = yield* ledger.open
  const scope = yield* Effect.scope
  const limits = yield* Ref.make<VersionedLimits | undefined>(found.limits)
  const own = yield* Limits
  const values = Effect.map(Ref.get(limits), (changed) => changed?.values ?? own)
  const machines = new MachineGpus()
  const admission = yield* oneProcess(unlimited(yield* values), machines)
  const serially = (yield* Effect.makeSemaphore(1)).withPermits(1)
  const gathered = yield* Deferred.make<void>()
  const opened = yield* Deferred.make<void>()
  const deposed = yield* Deferred.make<never, NotOwner>()

  const members = new Map<SessionId, Member.Member>()
  const over = new Set<SessionId>(overBefore)
  /** Permits that the ledger may still have, and nobody holds. */
  let returned: ReadonlyArray<PermitKey> = []
  let isOpen = false
  let tickets = ticketsOf(epoch)

  const wakeAll = Effect.suspend(() =>
    Effect.forEach(members.values(), ({ news }) => news.open, { discard: true })
  )
  const depose = (reason: string) =>
    Effect.zipRight(Deferred.fail(deposed, new NotOwner({ reason })), wakeAll)
  const notDeposed = Effect.flatMap(
    Deferred.poll(deposed),
    Option.match({ onNone: () => Effect.void, onSome: (failure) => failure })
  )

  /** Whether the ledger took it. What it did not take is tried again with the next. */
  const written = <A>(write: Effect.Effect<A, Deposed | LedgerFailure>) =>
    write.pipe(
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutFail({
        duration: writeBound,
        onTimeout: () => new LedgerFailure({ cause: "it took too long" })
      }),
      Effect.as(true),
      Effect.catchTags({
        Deposed: ({ message }) => Effect.as(depose(message), false),
        LedgerFailure: (failure) => Effect.as(Effect.logWarning(failure), false)
      })
    )

  /** Says so when every replica that was there before has been heard, or is over. */
  const noteGathered = Effect.suspend(() =>
    [...members.values()].every(({ isKnown }) => isKnown)
      ? Deferred.succeed(gathered, undefined)
      : Effect.void
  )

  const forget = (member: Member.Member, { isWritten, leave, place: { number } }: Member.OwnedPlace) => {
    member.places.delete(number)
    if (isWritten) returned = [...returned, { session: member.session.id, number }]
    return leave
  }

  /** Lets a place into the queue, and returns when it is there, has its turn, or is turned away. */
  const enqueue = Effect.fnUntraced(function* (member: Member.Member, entry: Member.OwnedPlace) {
    const settled = yield* Deferred.make<void>()
    entry.ticket ??= tickets++
    const become = (state: Member.OwnedPlace["state"]) =>
      Effect.sync(() => {
        entry.state = state
      }).pipe(Effect.zipRight(member.news.open), Effect.zipRight(Deferred.succeed(settled, undefined)))
    const waiting = admission
      .withPermit(
        machines.admittee(member.session, entry.place),
        (ahead) => {
          entry.ahead = ahead
          return Effect.asVoid(become("queued"))
        },
        Effect.zipRight(become("turn"), untilInterrupted)
      )
      .pipe(
        Effect.catchAll((refusal) => {
          entry.denial = isDenial(refusal) ? refusal : undefined
          return become("denied")
        })
      )
    const fiber = yield* Effect.forkIn(Effect.interruptible(waiting), scope)
    entry.leave = Effect.asVoid(Fiber.interrupt(fiber))
    yield* Effect.raceFirst(
      Effect.interruptible(Deferred.await(settled)),
      Effect.interruptible(Fiber.await(fiber))
    )
  })

  /** Gives a place a permit only if one is free. */
  const enterNow = (member: Member.Member, entry: Member.OwnedPlace) => {
    const who = machines.admittee(member.session, entry.place)
    return Effect.match(admission.enterNow(who), {
      onFailure: (denial) => {
        entry.state = "denied"
        entry.denial = denial
      },
      onSuccess: () => {
        entry.state = "turn"
        entry.leave = admission.leave(who)
      }
    })
  }

  const enter = (member: Member.Member, entry: Member.OwnedPlace) =>
    entry.place.isHasty ? enterNow(member, entry) : enqueue(member, entry)

  /** What comes before this owner has heard everybody waits until it has. */
  const arrive = (member: Member.Member, place: Place) =>
    Effect.suspend(() => {
      const entry = Member.arriving(place)
      member.places.set(place.number, entry)
      return isOpen ? enter(member, entry) : Effect.void
    })

  const update = (member: Member.Member, place: Place) =>
    Effect.suspend(() => {
      const entry = member.places.get(place.number)
      if (entry === undefined && place.state === "waits") return arrive(member, place)
      if (entry === undefined) member.revoked.add(place.number)
      else {
        entry.isTicketKnown ||= place.ticket !== undefined
        entry.isGrantKnown ||= place.state === "holds"
      }
      return Effect.void
    })

  const leave = (member: Member.Member, number: number) =>
    Effect.suspend(() => {
      member.revoked.delete(number)
      const entry = member.places.get(number)
      return entry === undefined ? Effect.void : forget(member, entry)
    })

  /** Places that a whole version would have, if they were still there. */
  const gone = (member: Member.Member, { next, places }: Sync) => {
    const there = new Set(places.map(({ number }) => number))
    return [...member.places.keys(), ...member.revoked].filter(
      (number) => number < next && !there.has(number)
    )
  }

  const apply = Effect.fnUntraced(function* (member: Member.Member, told: Sync) {
    const left = told.base === undefined ? gone(member, told) : told.left
    yield* Effect.forEach(left, (number) => leave(member, number), { discard: true })
    yield* Effect.forEach(told.places, (place) => update(member, place), { discard: true })
    member.version = told.version
    member.limits = told.limits
    member.isKnown = true
    yield* noteGathered
  })

  const end = Effect.fnUntraced(function* (id: SessionId) {
    if (!(yield* written(ledger.end(epoch, id)))) return
    const member = members.get(id)
    members.delete(id)
    over.add(id)
    if (member === undefined) return
    yield* Effect.forEach([...member.places.values()], ({ leave }) => leave, { discard: true })
    yield* member.news.open
    yield* noteGathered
  })

  const join = Effect.fnUntraced(function* (session: Session) {
    const member = yield* Member.make(session, yield* now)
    if (!(yield* written(ledger.join(epoch, session)))) return
    members.set(session.id, member)
    return member
  })

  /** Takes what is told. Gives the member that may be answered, and its turn to be. */
  const take = Effect.fnUntraced(function* (told: Sync) {
    const { base, dead, isOver, session } = told
    yield* Effect.forEach(
      dead.filter((id) => !over.has(id)),
      end,
      { discard: true }
    )
    if (over.has(session.id)) return new Over({ epoch })
    const member = members.get(session.id) ?? (base === undefined ? yield* join(session) : undefined)
    if (member === undefined || !Member.follows(member, told)) return new Unknown({ epoch })
    member.heardAt = yield* now
    if (isOver) {
      yield* end(session.id)
      return new Over({ epoch })
    }
    if (told.gpus !== undefined) machines.tell(session, told.gpus)
    yield* apply(member, told)
    yield* member.news.open
    return { member, turn: ++member.asked }
  })

  /** Returns when there is something to tell, or somebody else asks for the same replica. */
  const awaitNews = (member: Member.Member, turn: number): Effect.Effect<void, NotOwner> =>
    Effect.gen(function* () {
      yield* notDeposed
      yield* member.news.close
      if (member.asked !== turn || Member.hasNews(member, yield* Ref.get(limits))) return
      yield* member.news.await
      yield* awaitNews(member, turn)
    })

  /** Writes down the permits of those who have their turn, and gives back what was left. */
  const settle = Effect.fnUntraced(function* (
    turns: ReadonlyArray<readonly [Member.Member, Member.OwnedPlace]>
  ) {
    const back = returned
    if (turns.length === 0 && back.length === 0) return
    const granted = turns.map(([member, entry]) => Member.permitOf(member, entry))
    for (const [, entry] of turns) entry.isWritten = true
    if (!(yield* written(ledger.write(epoch, { granted, returned: back })))) return
    returned = returned.filter((key) => !back.includes(key))
    for (const [, entry] of turns) entry.state = "held"
  })

  const answer = Effect.fnUntraced(function* (member: Member.Member, turn: number) {
    // It may have ended meanwhile: a permit of an ended session would never be given back.
    if (over.has(member.session.id)) return new Over({ epoch })
    // Whoever asked later gets the permits; here nobody may be listening any more.
    if (member.asked === turn) yield* settle(Member.turns(member).map((entry) => [member, entry]))
    yield* notDeposed
    return Member.answer(member, epoch, yield* Ref.get(limits))
  })

  const sync = Effect.fn("AdmissionOwner.sync")(function* (told: Sync) {
    if (told.epoch > epoch) yield* depose(`There is an owner of epoch ${told.epoch}`)
    yield* notDeposed
    const taken = yield* Effect.uninterruptible(serially(take(told)))
    yield* notDeposed
    if (!("member" in taken)) return taken
    const { member, turn } = taken
    if (told.isPatient && !Member.hasNews(member, yield* Ref.get(limits)))
      yield* Effect.timeoutOption(awaitNews(member, turn), QuestionTimes.patience)
    return yield* Effect.uninterruptible(serially(answer(member, turn)))
  })

  /** Takes what waits at silent replicas out of the queue, and ends the sessions whose sandboxes are gone. */
  const watch = Effect.gen(function* () {
    const at = yield* now
    const { killGracePeriod, maxTimeout } = yield* values
    const lifetime = (maxTimeout + killGracePeriod + lifetimeMargin) * 1000
    for (const member of [...members.values()]) {
      const silent = at - member.heardAt
      if (silent < silence) continue
      member.isKnown = false
      yield* Effect.forEach(Member.unheld(member), (entry) => forget(member, entry), { discard: true })
      if (silent >= absence + lifetime) yield* end(member.session.id)
    }
    yield* settle([])
  })
  const reapAbsent = (reap: (session: Session) => Effect.Effect<boolean>) =>
    Effect.flatMap(now, (at) =>
      Effect.forEach(
        [...members.values()].filter(({ heardAt }) => at - heardAt >= absence),
        ({ session }) => Effect.whenEffect(serially(end(session.id)), reap(session)),
        { discard: true }
      )
    )

  const every =
    (interval: Duration.DurationInput) =>
    <A>(effect: Effect.Effect<A>) =>
      effect.pipe(
        Effect.catchAllCause((cause) => Effect.logWarning("Admission could not be looked after", cause)),
        Effect.repeat(Schedule.spaced(interval)),
        Effect.interruptible,
        Effect.forkIn(scope)
      )

  for (const permit of permits) {
    const session = sessions.find(({ id }) => id === permit.session)
    if (session === undefined) continue
    const member = members.get(session.id) ?? (yield* Member.make(session, yield* now))
    members.set(session.id, member)
    const holder = machines.holder(session, permit)
    yield* Effect.orDie(admission.enterNow(holder))
    member.places.set(permit.number, Member.held(permit, admission.leave(holder)))
  }
  for (const session of sessions) {
    if (!members.has(session.id)) members.set(session.id, yield* Member.make(session, yield* now))
  }
  yield* admission.adjust(yield* values)

  const byTicket = Order.mapInput(
    Order.number,
    ([, { ticket }]: readonly [Member.Member, Member.OwnedPlace]) => ticket ?? Number.POSITIVE_INFINITY
  )

  const open = Effect.gen(function* () {
    isOpen = true
    const arrived = [...members.values()].flatMap((member) =>
      [...member.places.values()]
        .filter(({ state }) => state === "arriving")
        .map((entry) => [member, entry] as const)
    )
    yield* Effect.forEach(arrived.toSorted(byTicket), ([member, entry]) => enter(member, entry), {
      discard: true
    })
    yield* Deferred.succeed(opened, undefined)
  })
  yield* noteGathered
  yield* Effect.gen(function* () {
    yield* Effect.timeoutOption(Deferred.await(gathered), gathering)
    yield* Effect.uninterruptible(serially(open))
    yield* every("500 millis")(Effect.uninterruptible(serially(watch)))
    if (reap !== undefined) yield* every("5 seconds")(reapAbsent(reap))
  }).pipe(Effect.interruptible, Effect.forkIn(scope))
  yield* Effect.addFinalizer(() => depose("It is shutting down"))

  return AdmissionOwner.of({
    deposed: Effect.ignore(Deferred.await(deposed)),
    sync,
    look: Effect.fn("AdmissionOwner.look")(function* ({ executionId, userId }: Look) {
      yield* Effect.raceFirst(Deferred.await(opened), Deferred.await(deposed))
      yield* notDeposed
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
      yield* notDeposed
      const changed = { version: ((yield* Ref.get(limits))?.version ?? 0) + 1, values }
      if (!(yield* written(ledger.setLimits(epoch, changed))))
        return yield* new NotOwner({ reason: "The limits could not be written down" })
      yield* Ref.set(limits, changed)
      yield* admission.adjust(values)
      yield* wakeAll
    })
  })
})
