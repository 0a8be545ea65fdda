import { Schema } from "effect"

/** What a walk along the audit log's chain of hashes found. */
export const AuditVerification = Schema.Struct({
  /** Whether every event is as it was written, and none is missing or out of order. */
  intact: Schema.Boolean,
  /** Events that were looked at. */
  checked: Schema.Number,
  /** The hash of the last event: kept elsewhere, it also proves later that none was cut off the end. */
  head: Schema.optional(Schema.String),
  /** The first place where the chain does not hold. */
  broken: Schema.optional(
    Schema.Struct({
      sequence: Schema.Number,
      kind: Schema.Literal("changed", "missing", "reordered")
    })
  )
})
export type AuditVerification = typeof AuditVerification.Type
