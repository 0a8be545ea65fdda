import { Schema } from "effect"
import { Reason } from "./Attempt.js"

/** The gate does not carry a connection. The message is for the program. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  reason: Reason,
  message: Schema.String
}) {}
