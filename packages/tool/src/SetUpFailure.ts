import { Schema } from "effect"

/** A setting is wrong or missing, or what it asks for is not there. The message says which, and what to do. */
export class SetUpFailure extends Schema.TaggedError<SetUpFailure>()("SetUpFailure", {
  message: Schema.String
}) {}
