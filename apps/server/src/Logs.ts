import { Effect, Layer, Logger } from "effect"
import * as Terminal from "./Terminal.js"

const replacement = (isTerminal: boolean) =>
  isTerminal ? Logger.prettyLogger({ stderr: true }) : Logger.withConsoleLog(Logger.jsonLogger)

/** What the server logs: for people beside a terminal, or else as lines of JSON on stdout. */
export const layer = Layer.unwrapEffect(
  Effect.map(Terminal.isOnStdout, (isTerminal) =>
    Logger.replace(Logger.defaultLogger, replacement(isTerminal))
  )
)
