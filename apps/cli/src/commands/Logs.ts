import { type ExecutionEvent, Harmless } from "@bulkhead/domain"
import { Command, Options } from "@effect/cli"
import { Effect } from "effect"
import { Failure } from "../Failure.js"
import * as Following from "../run/Following.js"
import * as Connection from "../server/Connection.js"
import { print } from "../terminal/Output.js"
import * as Words from "../terminal/Words.js"
import { executionId } from "./ExecutionArgument.js"
import { json } from "./Json.js"
import * as News from "./News.js"

const options = {
  executionId,
  follow: Options.boolean("follow").pipe(
    Options.withAlias("f"),
    Options.withDescription("Goes on until the execution has ended.")
  ),
  output: Options.boolean("output").pipe(
    Options.withDescription("What its program writes, until it ends, instead of what happened to it.")
  ),
  raw: Options.boolean("raw").pipe(
    Options.withDescription("With --output: also a terminal gets it as it is.")
  ),
  json,
  ...Connection.options
}

type Given = Command.Command.ParseConfig<typeof options>

const line = ({ data, event, level, message, timestamp }: ExecutionEvent) =>
  Harmless.line(
    [
      Words.moment(timestamp),
      level.padEnd(5),
      event,
      message,
      ...(data === undefined ? [] : [JSON.stringify(data)])
    ].join("  ")
  )

const readEvents = Effect.fnUntraced(function* (connection: Connection.Connection, given: Given) {
  const { executionId, json } = given
  const since = (from: { readonly from?: number }) =>
    connection.askAsOperator(connection.client.admin.logs({ path: { executionId }, urlParams: from }))
  const tellOf = (event: ExecutionEvent) => print(json ? Harmless.json(event) : line(event))
  yield* given.follow
    ? News.follow(since, tellOf)
    : Effect.flatMap(since({}), Effect.forEach(tellOf, { discard: true }))
})

const readOutput = Effect.fnUntraced(function* (connection: Connection.Connection, given: Given) {
  const result = yield* Following.follow(connection, given.executionId, { ...given, patience: 60 })
  if (result === undefined) return yield* new Failure({ message: "it has ended, but its output is not kept" })
  if (given.json) yield* print(Harmless.json(result))
})

const logs = Effect.fn("Logs.logs")(function* (given: Given) {
  const connection = yield* Connection.make(given)
  yield* given.output ? readOutput(connection, given) : readEvents(connection, given)
})

export const command = Command.make("logs", options, logs).pipe(
  Command.withDescription(
    "Prints what happened to an execution (for the operator), or what its program wrote."
  )
)
