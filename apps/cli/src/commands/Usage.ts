import { Instant } from "@bulkhead/api"
import { Harmless, largestPage, type UserUsage } from "@bulkhead/domain"
import { Command, Options } from "@effect/cli"
import { Chunk, Effect, Option, Schema, Stream } from "effect"
import { Failure } from "../Failure.js"
import * as Connection from "../server/Connection.js"
import { print } from "../terminal/Output.js"
import * as Table from "../terminal/Table.js"
import * as Words from "../terminal/Words.js"
import * as Filter from "./Filter.js"
import { json } from "./Json.js"

const moment = (name: string, description: string) =>
  Options.text(name).pipe(
    Options.withPseudoName("TIME"),
    Options.withDescription(`${description}, like 2026-01-31 or 2026-01-31T12:00:00Z.`),
    Options.optional
  )

const options = {
  user: Filter.user,
  from: moment("from", "Executions that ended then or later"),
  to: moment("to", "Executions that ended before then"),
  json,
  ...Connection.options
}

type Given = Command.Command.ParseConfig<typeof options>

/** In milliseconds since the epoch. */
const millisOf = (option: string, text: Option.Option<string>) =>
  Option.match(text, {
    onNone: () => Effect.succeed({}),
    onSome: (text) =>
      Effect.mapBoth(Schema.decode(Instant)(text), {
        onFailure: () =>
          new Failure({ message: `--${option}: expected a time, like 2026-01-31 or 2026-01-31T12:00:00Z` }),
        onSuccess: (millis) => ({ [option]: millis })
      })
  })

/** Of all pages. */
const all = Effect.fnUntraced(function* ({ askAsOperator, client }: Connection.Connection, given: Given) {
  const span = { ...(yield* millisOf("from", given.from)), ...(yield* millisOf("to", given.to)) }
  const user = Option.isSome(given.user) ? { userId: given.user.value } : {}
  const page = (cursor: { readonly cursor?: string }) =>
    Effect.map(
      askAsOperator(client.admin.usage({ urlParams: { ...user, ...span, ...cursor, limit: largestPage } })),
      ({ nextCursor, usage }) =>
        [
          Chunk.fromIterable(usage),
          Option.map(Option.fromNullable(nextCursor), (cursor) => ({ cursor }))
        ] as const
    )
  return Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.paginateChunkEffect({}, page)))
})

const headings = [
  "USER",
  "EXECUTIONS",
  "SANDBOX TIME",
  "VCPU SECONDS",
  "GIB SECONDS",
  "ARTIFACTS",
  "COST (USD)"
]

const row = (usage: UserUsage) => [
  usage.userId,
  String(usage.executions),
  Words.duration(usage.sandboxMs),
  usage.vcpuSeconds.toFixed(1),
  usage.gibSeconds.toFixed(1),
  Words.size(usage.artifactBytes),
  usage.costUsd.toFixed(4)
]

const usage = Effect.fn("Usage.usage")(function* (given: Given) {
  const users = yield* all(yield* Connection.make(given), given)
  const lines = given.json ? users.map(Harmless.json) : Table.lines(headings, users.map(row))
  yield* Effect.forEach(lines, print, { discard: true })
})

export const command = Command.make("usage", options, usage).pipe(
  Command.withDescription("Prints what each user's executions used and cost. For the operator.")
)
