import { SteadyClock } from "@bulkhead/sandbox"
import { Deferred, Effect } from "effect"
import * as Member from "./Member.js"
import type { OwnedQueue } from "./OwnedQueue.js"
import type { Opened, PermitKey, PermitLedger } from "./PermitLedger.js"
import { Over, type Place, type Session, type SessionId, type Sync, Unknown } from "./Protocol.js"
import type { Tenure } from "./Tenure.js"

interface Parts {
  readonly found: Opened
  readonly ledger: PermitLedger["Type"]
  readonly queue: OwnedQueue
  readonly tenure: Tenure
}

/** Places that a whole version would have, if they were still there. */
const gone = ({ places: owned, revoked }: Member.Member, { next, places }: Sync) => {
  const there = new Set(places.map(({ number }) => number))
  return [...owned.keys(), ...revoked].filter((number) => number < next && !there.has(number))
}

/**
 * The replicas and their places, as they tell of them. Nothing of it may be done while something else is: whoever calls
 * sees to that.
 */
export interface Membership {
  /** Returns when every replica that was there before has been heard, or is over. */
  readonly gathered: Effect.Effect<void>
  readonly isOver: (id: SessionId) => boolean
  /** Takes what is told. Gives the member that may be answered, and its turn to be. */
  readonly take: (
    told: Sync
  ) => Effect.Effect<Over | Unknown | { readonly member: Member.Member; readonly turn: number }>
  /** Writes down the permits of a member's places that have their turn, and gives back what was left anywhere. */
  readonly settle: (member?: Member.Member) => Effect.Effect<void>
  /** Ends a session, if the ledger takes it. */
  readonly end: (id: SessionId) => Effect.Effect<void>
  /** What came before the queue was open. */
  readonly arriving: Effect.Effect<ReadonlyArray<readonly [Member.Member, Member.OwnedPlace]>>
  /** Those that have said nothing for so long, in milliseconds. */
  readonly silentFor: (time: number) => Effect.Effect<ReadonlyArray<Member.Member>>
  /** Takes what waits at a replica out of the queue, until that tells of everything again. */
  readonly leaveOut: (member: Member.Member) => Effect.Effect<void>
  /** Has everybody who waits for news look for them. */
  readonly wakeAll: Effect.Effect<void>
}

/** Begins with what the ledger has. */
export const make = Effect.fnUntraced(function* ({
  found,
  ledger,
  queue,
  tenure
}: Parts): Effect.fn.Return<Membership> {
  const members = new Map<SessionId, Member.Member>()
  const over = new Set<SessionId>(found.over)
  /** Permits that the ledger may still have, and nobody holds. */
  let returned: ReadonlyArray<PermitKey> = []
  const gathered = yield* Deferred.make<void>()

  for (const session of found.sessions)
    members.set(session.id, yield* Member.make(session, yield* SteadyClock.now))
  for (const permit of found.permits) {
    const member = members.get(permit.session)
    if (member !== undefined) member.places.set(permit.number, yield* queue.restore(member.session, permit))
  }

  const noteGathered = Effect.suspend(() =>
    [...members.values()].every(({ isKnown }) => isKnown)
      ? Deferred.succeed(gathered, undefined)
      : Effect.void
  )
  yield* noteGathered

  const forget = (member: Member.Member, { isWritten, leave, place: { number } }: Member.OwnedPlace) => {
    member.places.delete(number)
    if (isWritten) returned = [...returned, { session: member.session.id, number }]
    return leave
  }

  const arrive = (member: Member.Member, place: Place) => {
    const entry = Member.arriving(place)
    member.places.set(place.number, entry)
    return queue.enter(member, entry)
  }

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
    if (!(yield* tenure.write((epoch) => ledger.end(epoch, id)))) return
    const member = members.get(id)
    members.delete(id)
    over.add(id)
    if (member === undefined) return
    yield* Effect.forEach([...member.places.values()], ({ leave }) => leave, { discard: true })
    yield* member.news.open
    yield* noteGathered
  })

  const join = Effect.fnUntraced(function* (session: Session) {
    const member = yield* Member.make(session, yield* SteadyClock.now)
    if (!(yield* tenure.write((epoch) => ledger.join(epoch, session)))) return
    members.set(session.id, member)
    return member
  })

  const settle = Effect.fnUntraced(function* (member?: Member.Member) {
    const turns = member === undefined ? [] : Member.turns(member)
    const back = returned
    if (turns.length === 0 && back.length === 0) return
    const granted = member === undefined ? [] : turns.map((entry) => Member.permitOf(member, entry))
    for (const entry of turns) entry.isWritten = true
    if (!(yield* tenure.write((epoch) => ledger.write(epoch, { granted, returned: back })))) return
    returned = returned.filter((key) => !back.includes(key))
    for (const entry of turns) entry.state = "held"
  })

  const take = Effect.fnUntraced(function* (told: Sync) {
    const { base, dead, isOver, session } = told
    const { epoch } = tenure
    yield* Effect.forEach(
      dead.filter((id) => !over.has(id)),
      end,
      { discard: true }
    )
    if (over.has(session.id)) return new Over({ epoch })
    const member = members.get(session.id) ?? (base === undefined ? yield* join(session) : undefined)
    if (member === undefined || !Member.follows(member, told)) return new Unknown({ epoch })
    member.heardAt = yield* SteadyClock.now
    if (isOver) {
      yield* end(session.id)
      return new Over({ epoch })
    }
    if (told.gpus !== undefined) queue.tellGpus(session, told.gpus)
    yield* apply(member, told)
    // Its answer may wait, and a permit that is left must not be out when the replica dies meanwhile.
    if (told.isPatient) yield* settle()
    yield* member.news.open
    return { member, turn: ++member.asked }
  })

  return {
    gathered: Deferred.await(gathered),
    isOver: (id) => over.has(id),
    take,
    settle,
    end,
    arriving: Effect.sync(() =>
      [...members.values()].flatMap((member) =>
        Member.arrived(member).map((entry) => [member, entry] as const)
      )
    ),
    silentFor: (time) =>
      Effect.map(SteadyClock.now, (at) =>
        [...members.values()].filter(({ heardAt }) => at - heardAt >= time)
      ),
    leaveOut: (member) =>
      Effect.suspend(() => {
        member.isKnown = false
        return Effect.forEach(Member.unheld(member), (entry) => forget(member, entry), { discard: true })
      }),
    wakeAll: Effect.suspend(() =>
      Effect.forEach(members.values(), ({ news }) => news.open, { discard: true })
    )
  }
})
