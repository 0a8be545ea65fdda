import type { ExecutionEvent } from "@bulkhead/domain"
import { Args, Command, Options } from "@effect/cli"
import { Effect, Ref, Schedule } from "effect"
import { Failure } from "../Failure.js"
import * as Following from "../run/Following.js"
import * as Connection from "../server/Connection.js"
import * as Harmless from "../terminal/Harmless.js"
import { print } from "../terminal/Output.js"
import * as Words from "../terminal/Words.js"
import { json } from "./Json.js"

const options = {
  executionId: Args.text({ name: "ID" }).pipe(Args.withDescription("The execution.")),
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

const isEnd = ({ event }: ExecutionEvent) =>
  /^execution_(completed|failed|timeout|killed|rejected)$/.test(event)

/** What has happened that was not told yet. Whether that was the last of it. */
const news = ({ ask, client }: Connection.Connection, { executionId, json }: Given, told: Ref.Ref<number>) =>
  Effect.gen(function* () {
    const events = yield* ask(client.admin.logs({ path: { executionId }, urlParams: {} }))
    const before = yield* Ref.getAndSet(told, events.length)
    yield* Effect.forEach(events.slice(before), (event) => print(json ? Harmless.json(event) : line(event)), {
      discard: true
    })
    return events.some(isEnd)
  })

const readEvents = Effect.fnUntraced(function* (connection: Connection.Connection, given: Given) {
  const told = yield* Ref.make(0)
  const look = news(connection, given, told)
  yield* given.follow
    ? Effect.repeat(look, { until: (isOver) => isOver, schedule: Schedule.spaced("1 second") })
    : look
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
