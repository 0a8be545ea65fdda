import {
  defaultLimits,
  fixedLimits,
  Harmless,
  LimitChanges,
  type LimitValues,
  limitMeanings
} from "@bulkhead/domain"
import { Args, Command } from "@effect/cli"
import { Effect, ParseResult, Schema } from "effect"
import { Failure } from "../Failure.js"
import * as Connection from "../server/Connection.js"
import { print } from "../terminal/Output.js"
import * as Table from "../terminal/Table.js"
import { json } from "./Json.js"

const show = (limits: LimitValues, asJson: boolean) => {
  const names = Object.keys(limitMeanings) as ReadonlyArray<keyof LimitValues>
  const rows = names.map((name) => [name, String(limits[name]), limitMeanings[name]])
  const lines = asJson ? [Harmless.json(limits)] : Table.lines(["LIMIT", "VALUE", "MEANING"], rows)
  return Effect.forEach(lines, print, { discard: true })
}

const changeable = Object.keys(defaultLimits).filter((name) => !fixedLimits.some((fixed) => fixed === name))

const decodeChange = Schema.decodeUnknown(LimitChanges)

const change = Effect.fnUntraced(function* (given: string) {
  const [, name = "", value = ""] = /^([^=]*)=(.+)$/s.exec(given) ?? []
  if (!changeable.includes(name))
    return yield* new Failure({
      message: `${Harmless.line(given)}: expected LIMIT=NUMBER, and as LIMIT one of ${changeable.join(", ")}`
    })
  return yield* Effect.mapError(decodeChange({ [name]: Number(value) }), (error) => {
    const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
    return new Failure({ message: `${name}: ${issue?.message ?? "expected a number"}` })
  })
})

/** Of one limit that is given twice, the last counts. */
const changes = (given: ReadonlyArray<string>) =>
  Effect.map(Effect.forEach(given, change), (changes): LimitChanges => Object.assign({}, ...changes))

const set = Command.make(
  "set",
  {
    changes: Args.text({ name: "LIMIT=NUMBER" }).pipe(
      Args.withDescription("What is to be changed. A restart of the server forgets it."),
      Args.atLeast(1)
    ),
    json,
    ...Connection.options
  },
  Effect.fn("Limits.set")(function* (given) {
    const payload = yield* changes(given.changes)
    const { askAsOperator, client } = yield* Connection.make(given)
    yield* show(yield* askAsOperator(client.admin.changeLimits({ payload })), given.json)
  })
).pipe(Command.withDescription("Changes limits of a server that runs."))

export const command = Command.make(
  "limits",
  { json, ...Connection.options },
  Effect.fn("Limits.show")(function* (given) {
    const { askAsOperator, client } = yield* Connection.make(given)
    yield* show(yield* askAsOperator(client.admin.limits()), given.json)
  })
).pipe(
  Command.withDescription("Prints the limits in force. For the operator."),
  Command.withSubcommands([set])
)
