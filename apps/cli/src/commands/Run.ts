import { Payload } from "@bulkhead/api"
import { type ExecutionRequestInput, Harmless } from "@bulkhead/domain"
import { Command, Options } from "@effect/cli"
import { Effect, Either, Fiber, Option } from "effect"
import { Ended, Failure, of, ownFailure } from "../Failure.js"
import { ProgramArguments } from "../ProgramArguments.js"
import * as Artifacts from "../run/Artifacts.js"
import * as ExitCode from "../run/ExitCode.js"
import * as Following from "../run/Following.js"
import * as Report from "../run/Report.js"
import * as Request from "../run/Request.js"
import * as Signals from "../Signals.js"
import * as Connection from "../server/Connection.js"
import * as OwnServer from "../server/OwnServer.js"
import * as Sendable from "../server/Sendable.js"
import * as ServerUrl from "../server/ServerUrl.js"
import { print, tell } from "../terminal/Output.js"

const options = {
  ...Request.options,
  out: Options.text("out").pipe(
    Options.withPseudoName("DIR"),
    Options.withDescription("Saves the files that it leaves in this directory, under their names."),
    Options.optional
  ),
  overwrite: Options.boolean("overwrite").pipe(
    Options.withDescription("With --out: in the place of files that are there.")
  ),
  json: Options.boolean("json").pipe(
    Options.withDescription("Prints the result as one line of JSON, and no output by itself.")
  ),
  raw: Options.boolean("raw").pipe(
    Options.withDescription("Also a terminal gets the output as it is, with what acts on it.")
  ),
  patience: Options.integer("patience").pipe(
    Options.withPseudoName("SECONDS"),
    Options.withDescription("For how long a server that is gone is asked again; 60 unless told."),
    Options.withDefault(60)
  ),
  ...Connection.options
}

type Given = Command.Command.ParseConfig<typeof options>

/** The server that is named, or one of this command's own. */
const connect = Effect.fnUntraced(function* ({ server, tokenFile, user }: Given) {
  if (Option.isSome(yield* ServerUrl.find(server)))
    return { ...(yield* Connection.make({ server, tokenFile })), ended: Effect.never }
  return yield* OwnServer.start(Option.getOrElse(user, () => "anonymous"))
})

/** A request that is refused has a result too. */
const submit = Effect.fnUntraced(function* (
  { ask, client, url }: Connection.Connection,
  request: ExecutionRequestInput,
  json: boolean
) {
  const submitted = yield* ask(Effect.either(client.submit(request)))
  if (Either.isRight(submitted)) return submitted.right
  const failure = submitted.left
  if (!json || failure._tag !== "ExecutionRefused") return yield* of(url)(failure)
  yield* print(Harmless.json(failure.result))
  return yield* new Ended({ code: ownFailure })
})

/** How long the end of an execution is waited for that is being killed. */
const killPatience = "30 seconds"

const kill = ({ ask, client }: Connection.Connection, executionId: string, reason: string) =>
  Effect.ignore(ask(client.executions.kill({ path: { executionId }, payload: { reason } })))

/** Runs it to its end. Who interrupts that kills it, and still reads what it says until then. */
const execute = Effect.fnUntraced(function* (
  connection: Connection.Connection,
  ended: Effect.Effect<never, Failure>,
  request: ExecutionRequestInput,
  given: Given
) {
  // An execution whose id has not come yet could not be killed.
  const submitted = yield* Effect.forkDaemon(submit(connection, request, given.json))
  const running = yield* Effect.forkScoped(
    Effect.flatMap(Fiber.join(submitted), ({ executionId }) =>
      Effect.raceFirst(Following.follow(connection, executionId, given), ended)
    )
  )
  const killWith = (reason: string) =>
    Effect.flatMap(Effect.option(Fiber.join(submitted)), (submitted) =>
      Option.isSome(submitted) ? kill(connection, submitted.value.executionId, reason) : Effect.void
    )
  const interrupted = Effect.gen(function* () {
    yield* tell("it is being killed; Ctrl-C again leaves without waiting for its end")
    yield* killWith("Ctrl-C at the command line")
    const result = yield* Effect.timeout(Fiber.join(running), killPatience)
    if (result !== undefined) yield* Report.tellOf(result, false)
  })
  return yield* Fiber.join(running).pipe(
    Effect.onInterrupt(() => Effect.ignore(interrupted)),
    Effect.tapErrorTag("OutputClosed", () => killWith("nobody reads its output"))
  )
})

const run = Effect.fn("Run.run")(function* (given: Given) {
  yield* Signals.leaveOnSecond
  const request = yield* Request.make(given, yield* ProgramArguments)
  yield* Sendable.check(Payload, request)
  const place = Option.map(given.out, (directory) => ({ directory, overwrite: given.overwrite }))
  if (Option.isSome(place)) yield* Artifacts.prepare(place.value.directory)
  const { ended, ...connection } = yield* connect(given)
  const result = yield* execute(connection, ended, request, given)
  if (result === undefined) return yield* new Failure({ message: "it has ended, but its result is not kept" })
  if (given.json) yield* print(Harmless.json(result))
  yield* Report.tellOf(result, Option.isSome(place))
  const isSaved = yield* Report.save(connection, result, place)
  const code = ExitCode.of(result)
  return yield* new Ended({ code: code === 0 && !isSaved ? ownFailure : code })
}, Effect.scoped)

export const command = Command.make("run", options, run).pipe(
  Command.withDescription(
    "Runs a program, with a server of its own unless one is named, and ends with its exit code."
  )
)
