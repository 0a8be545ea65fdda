import { Schema } from "effect"

const kind = Schema.Literal("changed", "missing", "reordered")

/** What a walk along one instance's chain of hashes found. */
export const ChainVerification = Schema.Struct({
  /** Whose events these are. */
  instance: Schema.String,
  /** Whether there are events, every one is as it was written, and none is missing or out of order. */
  intact: Schema.Boolean,
  /** Events that were looked at. */
  checked: Schema.Number,
  /** The hash of the last event: kept elsewhere, it also proves later that none was cut off the end. */
  head: Schema.optional(Schema.String),
  /** The first place where the chain does not hold. */
  broken: Schema.optional(Schema.Struct({ sequence: Schema.Number, kind }))
})
export type ChainVerification = typeof ChainVerification.Type

/** What a walk along the chains of all instances in the audit log found. */
export const AuditVerification = Schema.Struct({
  /** Whether there are events, every one is as it was written, and none is missing or out of order. */
  intact: Schema.Boolean,
  /** Events that were looked at, of all instances. */
  checked: Schema.Number,
  /** The hash of this instance's last event. */
  head: Schema.optional(Schema.String),
  /** The first place where a chain does not hold. */
  broken: Schema.optional(Schema.Struct({ instance: Schema.String, sequence: Schema.Number, kind })),
  /** Each chain that was walked along, by the instance's name; the first 1000. */
  chains: Schema.Array(ChainVerification)
})
export type AuditVerification = typeof AuditVerification.Type
