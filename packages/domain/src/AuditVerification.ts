import { Schema } from "effect"

const flag = (description: string) => Schema.Boolean.annotations({ description })
const number = (description: string) => Schema.Number.annotations({ description })
const text = (description: string) => Schema.String.annotations({ description })

const place = {
  sequence: number("Which event of the chain it is; 1 is the first."),
  kind: Schema.Literal("changed", "missing", "reordered").annotations({
    description: "Whether the event is not as it was written, is not there, or is not where it was."
  })
}
const instance = text("The server whose events these are, by its name.")
const whole = "Whether there are events, every one is as it was written, and none is missing or out of order."

/** What a walk along one instance's chain of hashes found. */
export const ChainVerification = Schema.Struct({
  instance,
  intact: flag(whole),
  checked: number("Events that were looked at."),
  head: Schema.optional(
    text("The hash of the last event: kept elsewhere, it also proves later that none was cut off the end.")
  ),
  broken: Schema.optional(
    Schema.Struct(place).annotations({ description: "The first place where the chain does not hold." })
  )
})
export type ChainVerification = typeof ChainVerification.Type

/** What a walk along the chains of all instances in the audit log found. */
export const AuditVerification = Schema.Struct({
  intact: flag(whole),
  checked: number("Events that were looked at, of all servers."),
  head: Schema.optional(text("The hash of this server's last event.")),
  broken: Schema.optional(
    Schema.Struct({ instance, ...place }).annotations({
      description: "The first place where a chain does not hold."
    })
  ),
  chains: Schema.Array(ChainVerification).annotations({
    description: "Each chain that was walked along, by its server's name; the first 1000."
  })
})
export type AuditVerification = typeof AuditVerification.Type
