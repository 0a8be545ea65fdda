import { UserId } from "@bulkhead/domain"
import { Options } from "@effect/cli"

/** Whose executions. */
export const user = Options.text("user").pipe(
  Options.withPseudoName("NAME"),
  Options.withDescription("Only this user's."),
  Options.withSchema(UserId),
  Options.optional
)
