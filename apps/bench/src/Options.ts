import { parseArgs } from "node:util"
import { Effect, Option } from "effect"
import { BenchFailure } from "./BenchFailure.js"

/** What can be measured alone. Every group but the first is measured in a process of its own. */
export const groups = ["sandboxes", "throughput", "overhead", "queue", "admission", "fairness"] as const
export type Group = (typeof groups)[number]

/** How much is measured. */
export interface Options {
  readonly quick: boolean
  /** All groups unless told. */
  readonly only: Option.Option<Group>
  /** The group for which this very process was started by another bench. */
  readonly alone: Option.Option<Group>
  readonly rounds: number
  /** Milliseconds of one row's turn. */
  readonly blockMs: number
  /** Milliseconds for which each row runs before it counts; V8 compiles for about 2,000 executions. */
  readonly warmUpMs: number
  readonly starts: number
  readonly hellos: number
  /** Programs that run into their timeout at once. */
  readonly sleepers: number
  /** Their timeout in seconds. */
  readonly timeout: number
  /** Milliseconds for which each row within the bench's own process runs before it counts. */
  readonly ownWarmUpMs: number
  /** Requests whose memory is weighed. */
  readonly queued: number
  /** Lengths of the queues whose turns are timed, the shortest first, and the turns. */
  readonly waiting: ReadonlyArray<number>
  readonly turns: number
  /** Requests of the noisy user, and of the other one. */
  readonly noisy: number
  readonly quiet: number
  /** Where the results go as JSON. */
  readonly json: Option.Option<string>
}

const usage = `takes --quick (a few seconds, for whether it runs at all), --only ${groups.join("|")}, --rounds N, --json FILE`

const whole = {
  rounds: 5,
  blockMs: 1000,
  warmUpMs: 60_000,
  starts: 3,
  hellos: 100,
  sleepers: 50,
  timeout: 4,
  ownWarmUpMs: 10_000,
  queued: 10_000,
  waiting: [100, 1000, 10_000, 100_000],
  turns: 5000,
  noisy: 1000,
  quiet: 20
}
const quick = {
  rounds: 1,
  blockMs: 100,
  warmUpMs: 100,
  starts: 1,
  hellos: 5,
  sleepers: 4,
  timeout: 1,
  ownWarmUpMs: 100,
  queued: 1000,
  waiting: [100, 1000],
  turns: 1000,
  noisy: 100,
  quiet: 5
}

const refuse = (why: string) => new BenchFailure({ message: `${why}; ${usage}` })

const roundsOf = (given: string | undefined, usual: number) => {
  const rounds = given === undefined ? usual : Number(given)
  return Number.isInteger(rounds) && rounds > 0
    ? Effect.succeed(rounds)
    : refuse(`--rounds: expected a whole number above 0, got '${given}'`)
}

const groupOf = (option: string, given: string | undefined) => {
  if (given === undefined) return Effect.succeedNone
  const group = groups.find((group) => group === given)
  return group === undefined
    ? refuse(`--${option}: expected one of ${groups.join(", ")}, got '${given}'`)
    : Effect.succeedSome(group)
}

const read = (args: ReadonlyArray<string>) =>
  Effect.try({
    try: () =>
      parseArgs({
        args: [...args],
        options: {
          quick: { type: "boolean" },
          only: { type: "string" },
          alone: { type: "string" },
          rounds: { type: "string" },
          json: { type: "string" }
        }
      }).values,
    catch: (error) => refuse(error instanceof Error ? error.message : String(error))
  })

/** What a command line asks for. */
export const parse = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const given = yield* read(args)
  const usual = given.quick === true ? quick : whole
  const rounds = yield* roundsOf(given.rounds, usual.rounds)
  const options: Options = {
    ...usual,
    quick: given.quick === true,
    only: yield* groupOf("only", given.only),
    alone: yield* groupOf("alone", given.alone),
    rounds,
    json: Option.fromNullable(given.json)
  }
  return options
})
