import { inspect } from "node:util"
import { Cause, HashMap, Logger } from "effect"

/** What shows nothing, or makes others show otherwise. Terminals act on some of it, C1 controls too. */
const unseen = /[\p{C}\p{Zl}\p{Zp}]/gu
/** The same without tabs and ends of lines. */
const acting = /(?![\t\n])[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

const unitsOf = (characters: string) =>
  characters
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("")

/** JSON of the same value, in one line of what can be seen wherever somebody looks at the log. */
export const json = (text: string): string => text.replaceAll(unseen, unitsOf)

const line = (value: unknown) =>
  (typeof value === "string" ? value : inspect(value)).replaceAll(unseen, unitsOf)

const text = (value: unknown) =>
  (typeof value === "string" ? value : inspect(value)).replaceAll(acting, unitsOf)

const causeIn = (cause: Cause.Cause<unknown>) =>
  Cause.isEmpty(cause) ? [] : [text(Cause.pretty(cause, { renderErrorCause: true }))]

/**
 * A logger for terminals, which shows what a terminal would act on: messages and what is beside them may be strangers'.
 */
export const onTerminal = <A>(logger: Logger.Logger<unknown, A>): Logger.Logger<unknown, A> =>
  Logger.mapInputOptions(logger, ({ annotations, cause, message, ...options }) => ({
    ...options,
    message: [...(Array.isArray(message) ? message : [message]).map(text), ...causeIn(cause)],
    cause: Cause.empty,
    annotations: HashMap.map(annotations, line)
  }))
