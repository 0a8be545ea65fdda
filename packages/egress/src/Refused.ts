import { NetworkReason } from "@bulkhead/domain"
import { Schema } from "effect"

/** The gate does not carry a connection. The message is for the program. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  reason: NetworkReason,
  message: Schema.String
}) {}
