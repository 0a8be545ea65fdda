import { inspect } from "node:util"
import { Harmless } from "@bulkhead/domain"
import { Cause, HashMap, Logger } from "effect"

const wordsOf = (value: unknown) => (typeof value === "string" ? value : inspect(value))

const line = (value: unknown) => Harmless.line(wordsOf(value))

const text = (value: unknown) => Harmless.text(wordsOf(value))

const causeIn = (cause: Cause.Cause<unknown>) =>
  Cause.isEmpty(cause) ? [] : [text(Cause.pretty(cause, { renderErrorCause: true }))]

/**
 * A logger for terminals, which shows what a terminal would act on: messages and what is beside them may be strangers'.
 */
export const of = <A>(logger: Logger.Logger<unknown, A>): Logger.Logger<unknown, A> =>
  Logger.mapInputOptions(logger, ({ annotations, cause, message, ...options }) => ({
    ...options,
    message: [...(Array.isArray(message) ? message : [message]).map(text), ...causeIn(cause)],
    cause: Cause.empty,
    annotations: HashMap.map(annotations, line)
  }))
