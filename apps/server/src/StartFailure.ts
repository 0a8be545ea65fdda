import { StoreFailure } from "@bulkhead/sandbox"
import { Cause, ConfigError, Console, Effect, Option, Predicate } from "effect"
import { reasonOf } from "./Reason.js"

const configLines = (error: ConfigError.ConfigError): ReadonlyArray<string> =>
  error._op === "And" || error._op === "Or"
    ? [...configLines(error.left), ...configLines(error.right)]
    : [`${error.path.join(".")}: ${error.message}`]

const textOf = (error: unknown) => {
  if (ConfigError.isConfigError(error)) return [...new Set(configLines(error))].join("; ")
  return Predicate.hasProperty(error, "message") ? String(error.message) : String(error)
}

/** A failure in one line. */
export const describeFailure = (error: unknown): string => textOf(error).replaceAll(/\s*\n\s*/g, " ")

/** The core has no failure for a database that is lost between its opening and the first look at it. */
const lostStore = (cause: Cause.Cause<unknown>) =>
  Option.map(
    Option.filter(Cause.dieOption(cause), (defect) => defect instanceof StoreFailure),
    (failure) => `${failure.message}: ${reasonOf(failure)}`
  )

/** Says in one line why the server did not start; only a defect gets a stack trace. */
export const report = <E>(cause: Cause.Cause<E>) => {
  if (Cause.isInterruptedOnly(cause)) return Effect.void
  return Option.match(
    Option.orElse(Cause.failureOption(cause), () => lostStore(cause)),
    {
      onNone: () => Effect.logFatal(cause),
      onSome: (error) => Console.error(`bulkhead: ${describeFailure(error)}`)
    }
  )
}
