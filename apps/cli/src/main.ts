import { Harmless } from "@bulkhead/domain"
import { Command, ValidationError } from "@effect/cli"
import { FetchHttpClient } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Effect, Exit, Layer, Logger, LogLevel, Option, Predicate } from "effect"
import * as Bulkhead from "./Bulkhead.js"
import * as CommandLine from "./CommandLine.js"
import { Ended, Failure, ownFailure } from "./Failure.js"
import { ProgramArguments } from "./ProgramArguments.js"
import { Output, OutputClosed, tell } from "./terminal/Output.js"
import * as PlainConsole from "./terminal/PlainConsole.js"

const cli = Command.run(Bulkhead.command, { name: "bulkhead", version: "0.1.0", executable: "bulkhead" })

const main = Effect.gen(function* () {
  const { own, programs } = CommandLine.split(process.argv.slice(2))
  const message = CommandLine.flawOf(Bulkhead.command, own)
  if (message !== undefined) return yield* new Failure({ message })
  yield* Effect.provideService(cli([...process.argv.slice(0, 2), ...own]), ProgramArguments, programs)
})

/** As a shell says that SIGINT and SIGPIPE ended a program. */
const interrupted = 130
const pipeClosed = 141

const codeOf = (error: unknown) => {
  if (error instanceof Ended) return error.code
  return error instanceof OutputClosed ? pipeClosed : ownFailure
}

const report = (error: unknown) => {
  // What the parser fails with it has printed.
  if (error instanceof Ended || error instanceof OutputClosed || ValidationError.isValidationError(error))
    return Effect.void
  return tell(Predicate.hasProperty(error, "message") ? String(error.message) : String(error))
}

const defect = (cause: Cause.Cause<unknown>) =>
  Cause.isDie(cause)
    ? tell(`this is a mistake of the command itself: ${Harmless.line(Cause.pretty(cause))}`)
    : Effect.void

main.pipe(
  Effect.tapError(report),
  Effect.tapErrorCause(defect),
  Effect.provide(
    Layer.mergeAll(
      NodeContext.layer,
      FetchHttpClient.layer,
      PlainConsole.layer,
      Logger.minimumLogLevel(LogLevel.None)
    )
  ),
  Effect.provide(Output.layer),
  // Nobody records traces here: a server would go on with one that leads nowhere.
  Effect.withTracerEnabled(false),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, end) =>
      end(
        Exit.match(exit, {
          onSuccess: () => 0,
          onFailure: (cause) =>
            Cause.isInterruptedOnly(cause)
              ? interrupted
              : Option.match(Cause.failureOption(cause), { onNone: () => ownFailure, onSome: codeOf })
        })
      )
  })
)
