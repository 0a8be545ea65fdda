import {
  ExecutionId,
  Gpus,
  LimitsSchema,
  QueueTimeout,
  QuotaExceeded,
  type Refusal,
  SystemAtCapacity,
  UserId
} from "@bulkhead/domain"
import { Schema } from "effect"

// What a replica and the owner of admission say to each other. A replica tells the owner its places: whatever waits
// there or runs. Each change makes a new version of them; the owner says which version it knows. All of it may be lost,
// late or there twice.

/** The name of one life of a replica, which no life before it had. */
export const SessionId = Schema.NonEmptyString.pipe(Schema.brand("SessionId"))
export type SessionId = typeof SessionId.Type

/** A life of a replica, and the name that the replica has in each of its lives. */
export const Session = Schema.Struct({ id: SessionId, instance: Schema.String })
export type Session = typeof Session.Type

/** What waits at a replica or runs there. Its number is never used again by the same session. */
export const Place = Schema.Struct({
  number: Schema.Int,
  executionId: ExecutionId,
  userId: UserId,
  /** Of the machine of its replica. Absent: it needs none. */
  gpus: Schema.optionalWith(Gpus, { exact: true }),
  /** Where an owner let it into the queue: what came earlier has a smaller one, whoever was the owner then. */
  ticket: Schema.optionalWith(Schema.Int, { exact: true }),
  state: Schema.Literal("waits", "holds"),
  /** Whether it leaves at once when no permit is free. */
  isHasty: Schema.Boolean
})
export type Place = typeof Place.Type

/** Tells an owner what changed. */
export const Sync = Schema.Struct({
  session: Session,
  /** The newest owner's that this replica heard of. */
  epoch: Schema.Int,
  /** The version of which the owner said that it knows it. Absent: here is everything. */
  base: Schema.optionalWith(Schema.Int, { exact: true }),
  version: Schema.Int,
  /** Places from this number on are not known to this version. */
  next: Schema.Int,
  places: Schema.Array(Place),
  /** Places that were left since the base. */
  left: Schema.Array(Schema.Int),
  /** Which version of the limits is in force here. */
  limits: Schema.Int,
  /** Whether the answer may wait until there is something to tell. */
  isPatient: Schema.Boolean,
  /** Whether nothing runs here any more, nor ever will. */
  isOver: Schema.Boolean,
  /** Sessions of which this replica knows that they are dead, and their sandboxes gone. */
  dead: Schema.Array(SessionId),
  /** All that the replica's machine has, told with everything. Absent: none. */
  gpus: Schema.optionalWith(Schema.Array(Gpus), { exact: true })
})
export type Sync = typeof Sync.Type

/** Why the owner turns a place away. */
export const Denial = Schema.Union(SystemAtCapacity, QuotaExceeded, QueueTimeout)
export type Denial = typeof Denial.Type

export const isDenial = (refusal: Refusal): refusal is Denial => Schema.is(Denial)(refusal)

export const VersionedLimits = Schema.Struct({ version: Schema.Int, values: LimitsSchema })
export type VersionedLimits = typeof VersionedLimits.Type

/** What the owner knows, and what the replica has not confirmed yet. */
export class Answer extends Schema.TaggedClass<Answer>()("Answer", {
  epoch: Schema.Int,
  version: Schema.Int,
  /** Places that have a permit. */
  granted: Schema.Array(Schema.Int),
  denied: Schema.Array(Schema.Struct({ number: Schema.Int, denial: Denial })),
  queued: Schema.Array(Schema.Struct({ number: Schema.Int, ticket: Schema.Int, ahead: Schema.Int })),
  /** Places whose permits are not theirs any more: what runs there must end. */
  revoked: Schema.Array(Schema.Int),
  limits: Schema.optionalWith(VersionedLimits, { exact: true }),
  /** Absent: an owner of an earlier version, whose permits are none for GPUs. */
  countsGpus: Schema.optionalWith(Schema.Literal(true), { exact: true })
}) {}

/** The owner does not know the base: it must be told everything. */
export class Unknown extends Schema.TaggedClass<Unknown>()("Unknown", { epoch: Schema.Int }) {}

/** The session counts as over, and its permits are given to others: what runs there must end. */
export class Over extends Schema.TaggedClass<Over>()("Over", { epoch: Schema.Int }) {}

export const SyncAnswer = Schema.Union(Answer, Unknown, Over)
export type SyncAnswer = typeof SyncAnswer.Type

/** Who was asked is not the owner, or cannot be one at present. Another try finds another. */
export class NotOwner extends Schema.TaggedError<NotOwner>()("NotOwner", { reason: Schema.String }) {}

/** Asks what is so, of everyone, of a user, or of an execution. */
export const Look = Schema.Struct({
  userId: Schema.optionalWith(UserId, { exact: true }),
  executionId: Schema.optionalWith(ExecutionId, { exact: true })
})
export type Look = typeof Look.Type

const Occupancy = Schema.Struct({
  active: Schema.Int,
  queued: Schema.Int,
  /** In use. An owner of an earlier version gives none. */
  gpus: Schema.optionalWith(Schema.Int, { default: () => 0 })
})

export const Seen = Schema.Struct({
  all: Schema.Struct({ ...Occupancy.fields, users: Schema.Int }),
  /** Of the user. */
  own: Schema.optionalWith(Occupancy, { exact: true }),
  /** Whether the user's next execution would start at once. */
  admissibility: Schema.optionalWith(
    Schema.Struct({
      allowed: Schema.Boolean,
      reason: Schema.optionalWith(Schema.String, { exact: true }),
      ahead: Schema.optionalWith(Schema.Int, { exact: true })
    }),
    { exact: true }
  ),
  /** How many may go before the execution, if it waits. */
  ahead: Schema.optionalWith(Schema.Int, { exact: true })
})
export type Seen = typeof Seen.Type
