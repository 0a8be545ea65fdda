import { Effect, Layer, Logger } from "effect"
import * as TerminalLogger from "./observability/TerminalLogger.js"
import * as TracedLogger from "./observability/TracedLogger.js"
import * as Terminal from "./Terminal.js"

const replacement = (isTerminal: boolean) =>
  isTerminal
    ? TerminalLogger.of(Logger.prettyLogger({ stderr: true }))
    : Logger.withConsoleLog(TracedLogger.json)

/** What the server logs: for people beside a terminal, or else as lines of JSON on stdout. */
export const layer = Layer.unwrapEffect(
  Effect.map(Terminal.isOnStdout, (isTerminal) =>
    Logger.replace(Logger.defaultLogger, replacement(isTerminal))
  )
)
