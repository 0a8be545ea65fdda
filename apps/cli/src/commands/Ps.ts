import { ExecutionState, type ExecutionSummary, Harmless, Verdict } from "@bulkhead/domain"
import { Command, Options } from "@effect/cli"
import { Clock, Effect, Option } from "effect"
import { present } from "../Present.js"
import * as Connection from "../server/Connection.js"
import { print, tell } from "../terminal/Output.js"
import * as Table from "../terminal/Table.js"
import * as Words from "../terminal/Words.js"
import * as Filter from "./Filter.js"
import { json } from "./Json.js"

const options = {
  all: Options.boolean("all").pipe(
    Options.withAlias("a"),
    Options.withDescription("Also those that have ended, newest first.")
  ),
  state: Options.choice("state", ExecutionState.literals).pipe(
    Options.withDescription("Only those that are as far as this."),
    Options.optional
  ),
  verdict: Options.choice("verdict", Verdict.literals).pipe(
    Options.withDescription("Only those that ended like this."),
    Options.optional
  ),
  limit: Options.integer("limit").pipe(
    Options.withDescription("At most so many of those that ended, 1 to 1000; 100 unless told."),
    Options.withDefault(100)
  ),
  user: Filter.user,
  json,
  ...Connection.options
}

type Given = Command.Command.ParseConfig<typeof options>

const active = ["queued", "starting", "running", "tracked"] as const

/** Those that wait or run come whole; of others there is a page. */
const list = Effect.fnUntraced(function* ({ ask, client }: Connection.Connection, given: Given) {
  const { all, limit, state, user, verdict } = given
  const filter = { ...present("userId", user), ...present("verdict", verdict) }
  const one = (state: { readonly state?: ExecutionState }) =>
    Effect.map(
      ask(client.executions.list({ urlParams: { ...filter, ...state, limit } })),
      ({ executions }) => executions
    )
  if (Option.isSome(state)) return yield* one({ state: state.value })
  if (all || Option.isSome(verdict)) return yield* one({})
  return (yield* Effect.forEach(active, (state) => one({ state }))).flat()
})

const headings = ["EXECUTION", "USER", "STATE", "LANGUAGE", "IMAGE", "BEGAN (UTC)", "TIME", "VERDICT"]

const row = (now: number) => (one: ExecutionSummary) => [
  one.executionId,
  one.userId,
  one.ahead === undefined ? one.state : `${one.state} (${one.ahead} before)`,
  one.language ?? "",
  one.image ?? "",
  Words.moment(one.startedAt),
  Words.duration((one.endedAt ?? now) - one.startedAt),
  one.verdict ?? ""
]

/** Executions as a table. */
export const table = (executions: ReadonlyArray<ExecutionSummary>) =>
  Effect.map(Clock.currentTimeMillis, (now) => Table.lines(headings, executions.map(row(now))))

/** A server does not tell users of whom nothing may be seen from users of whom there is nothing. */
const tellOfNone = (user: string) =>
  tell(
    `nothing of ${Harmless.line(user)} that you may see; a caller's key shows its own user alone, the operator's token all`
  )

const ps = Effect.fn("Ps.ps")(function* (given: Given) {
  const executions = yield* list(yield* Connection.make(given), given)
  const lines = given.json ? executions.map(Harmless.json) : yield* table(executions)
  yield* Effect.forEach(lines, print, { discard: true })
  if (executions.length === 0 && Option.isSome(given.user)) yield* tellOfNone(given.user.value)
})

export const command = Command.make("ps", options, ps).pipe(
  Command.withDescription("Lists executions that wait or run; with --all also those that have ended.")
)
