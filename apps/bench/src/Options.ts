import { parseArgs } from "node:util"
import { Effect, Option } from "effect"
import { BenchFailure } from "./BenchFailure.js"

/** How much is measured. */
export interface Options {
  readonly rounds: number
  /** Milliseconds of one row's turn. */
  readonly blockMs: number
  /** Milliseconds for which each row runs before it counts. */
  readonly warmUpMs: number
  readonly starts: number
  readonly hellos: number
  /** Programs that run into their timeout at once. */
  readonly sleepers: number
  /** Their timeout in seconds. */
  readonly timeout: number
  /** Where the results go as JSON. */
  readonly json: Option.Option<string>
}

const usage = "takes --quick (a few seconds, for whether it runs at all), --rounds N, --json FILE"

const whole = { rounds: 5, blockMs: 1000, warmUpMs: 10_000, starts: 3, hellos: 100, sleepers: 50, timeout: 4 }
const quick = { rounds: 1, blockMs: 100, warmUpMs: 100, starts: 1, hellos: 5, sleepers: 4, timeout: 1 }

const refuse = (why: string) => new BenchFailure({ message: `${why}; ${usage}` })

const roundsOf = (given: string | undefined, usual: number) => {
  const rounds = given === undefined ? usual : Number(given)
  return Number.isInteger(rounds) && rounds > 0
    ? Effect.succeed(rounds)
    : refuse(`--rounds: expected a whole number above 0, got '${given}'`)
}

const read = (args: ReadonlyArray<string>) =>
  Effect.try({
    try: () =>
      parseArgs({
        args: [...args],
        options: { quick: { type: "boolean" }, rounds: { type: "string" }, json: { type: "string" } }
      }).values,
    catch: (error) => refuse(error instanceof Error ? error.message : String(error))
  })

/** What a command line asks for. */
export const parse = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const given = yield* read(args)
  const usual = given.quick === true ? quick : whole
  const rounds = yield* roundsOf(given.rounds, usual.rounds)
  const options: Options = { ...usual, rounds, json: Option.fromNullable(given.json) }
  return options
})
