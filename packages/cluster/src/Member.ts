import { Effect } from "effect"
import type { Permit } from "./PermitLedger.js"
import { Answer, type Denial, type Place, type Session, type Sync, type VersionedLimits } from "./Protocol.js"

/** A place as the owner of admission has it. */
export interface OwnedPlace {
  readonly place: Place
  /** `turn`: it has its turn, and gets a permit with the next answer to its replica. */
  state: "arriving" | "queued" | "turn" | "held" | "denied"
  ticket: number | undefined
  /** How many could go before it when it came. */
  ahead: number
  denial: Denial | undefined
  /** Whether the ledger may have its permit. */
  isWritten: boolean
  isTicketKnown: boolean
  isGrantKnown: boolean
  /** Gives up its place in the queue, or its permit. */
  leave: Effect.Effect<void>
}

/** One life of a replica as the owner of admission knows it. */
export interface Member {
  readonly session: Session
  readonly places: Map<number, OwnedPlace>
  readonly revoked: Set<number>
  /** Opened when there is something to tell, or somebody else waits for it. */
  readonly news: Effect.Latch
  /** Of its places. */
  version: number
  /** Whether changes to the version mean anything. */
  isKnown: boolean
  limits: number
  /** When it last asked, on this process's own clock, in milliseconds. */
  heardAt: number
  /** How many have asked. The last one waits for news. */
  asked: number
}

export const make = (session: Session, heardAt: number) =>
  Effect.map(
    Effect.makeLatch(),
    (news): Member => ({
      session,
      places: new Map(),
      revoked: new Set(),
      news,
      version: -1,
      isKnown: false,
      limits: 0,
      heardAt,
      asked: 0
    })
  )

/** A place that comes. */
export const arriving = (place: Place): OwnedPlace => ({
  place,
  state: "arriving",
  ticket: place.ticket,
  ahead: 0,
  denial: undefined,
  isWritten: false,
  isTicketKnown: false,
  isGrantKnown: false,
  leave: Effect.void
})

/** A place whose permit is in the ledger. */
export const held = ({ session: _, ...permit }: Permit, leave: Effect.Effect<void>): OwnedPlace => ({
  ...arriving({ ...permit, state: "holds", isHasty: false }),
  state: "held",
  isWritten: true,
  leave
})

export const permitOf = ({ session }: Member, { place }: OwnedPlace): Permit => ({
  session: session.id,
  number: place.number,
  executionId: place.executionId,
  userId: place.userId,
  ...(place.gpus && { gpus: place.gpus })
})

const placesIn = ({ places }: Member, ...states: ReadonlyArray<OwnedPlace["state"]>) =>
  [...places.values()].filter(({ state }) => states.includes(state))

/** What came before the queue was open. */
export const arrived = (member: Member) => placesIn(member, "arriving")

export const turns = (member: Member) => placesIn(member, "turn")

/** What goes when the replica is silent: it may come back with it. */
export const unheld = (member: Member) => placesIn(member, "arriving", "queued", "turn", "denied")

/** Whether a place is to be told of, or gets its permit with the next answer. */
const isNews = ({ denial, isGrantKnown, isTicketKnown, state, ticket }: OwnedPlace) => {
  switch (state) {
    case "turn":
      return true
    case "held":
      return !isGrantKnown
    case "queued":
      return !isTicketKnown && ticket !== undefined
    case "denied":
      return denial !== undefined
    case "arriving":
      return false
  }
}

const toTell = (member: Member, state: OwnedPlace["state"]) => placesIn(member, state).filter(isNews)

const areNew = (limits: VersionedLimits | undefined, member: Member): limits is VersionedLimits =>
  limits !== undefined && limits.version > member.limits

/** What an answer to the member says now. Whoever sends it checks it. */
export const answer = (member: Member, epoch: number, limits: VersionedLimits | undefined) =>
  new Answer(
    {
      epoch,
      version: member.version,
      granted: toTell(member, "held").map(({ place }) => place.number),
      denied: toTell(member, "denied").flatMap(({ denial, place: { number } }) =>
        denial === undefined ? [] : [{ number, denial }]
      ),
      queued: toTell(member, "queued").flatMap(({ ahead, place: { number }, ticket }) =>
        ticket === undefined ? [] : [{ number, ticket, ahead }]
      ),
      revoked: [...member.revoked],
      ...(areNew(limits, member) ? { limits } : {}),
      countsGpus: true
    },
    { disableValidation: true }
  )

/** Whether an answer would say anything. */
export const hasNews = (member: Member, limits: VersionedLimits | undefined) =>
  member.revoked.size > 0 || areNew(limits, member) || [...member.places.values()].some(isNews)

/** Whether a version that a replica tells of follows from what is known. */
export const follows = (member: Member, { base, version }: Sync) =>
  base === undefined
    ? version >= member.version
    : member.isKnown && base <= member.version && member.version <= version
