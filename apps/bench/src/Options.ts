import { parseArgs } from "node:util"
import { Effect, Option, Schema } from "effect"

/** The groups that are measured in a process of their own. */
const aloneGroups = ["throughput", "overhead", "queue", "admission", "fairness"] as const
export type Alone = (typeof aloneGroups)[number]

/** What can be measured by itself. */
export const groups = [
  "sandboxes",
  "images",
  "storm",
  "newcomers",
  "stream",
  "uploads",
  "cluster",
  ...aloneGroups
] as const
export type Group = (typeof groups)[number]

/** Those of which two checkouts are compared. */
const comparable: ReadonlyArray<Group> = ["sandboxes", "throughput", "overhead"]

/** How much is measured. */
export interface Options {
  readonly help: boolean
  readonly quick: boolean
  /** All groups unless told. */
  readonly only: Option.Option<Group>
  /** The group for which this very process was started by another bench. */
  readonly alone: Option.Option<Alone>
  /** Whether this very process was started by another bench to be one of several replicas. */
  readonly isReplica: boolean
  /** The directory of another checkout that is measured beside this one. */
  readonly against: Option.Option<string>
  readonly rounds: number
  /** Milliseconds of one row's turn. */
  readonly blockMs: number
  /** Milliseconds for which each row or server runs before it counts; V8 compiles for about 2,000 executions. */
  readonly warmUpMs: number
  readonly starts: number
  /** Of a sandbox on an image and a plain one, that start one after the other in each round. */
  readonly pairs: number
  /** Milliseconds of greetings. */
  readonly helloMs: number
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
  /** Milliseconds of a storm of the worst requests. */
  readonly stormMs: number
  /** Executions a second that are asked for while newcomers are timed, and for how many seconds. */
  readonly newcomersPerSecond: number
  readonly newcomersSeconds: number
  /** Requests of the largest kind that are sent to a full server. */
  readonly largestRequests: number
  /** Programs that write all the time, for so many milliseconds, while their streams are read. */
  readonly streamPrograms: number
  readonly streamMs: number
  /** Milliseconds in which all of them start, before they write. */
  readonly streamStartMs: number
  /** How many replicas there are at once, the fewest first. */
  readonly replicas: ReadonlyArray<number>
  /** Where the results go as JSON. */
  readonly json: Option.Option<string>
}

const whole = {
  rounds: 5,
  blockMs: 1000,
  warmUpMs: 60_000,
  starts: 3,
  pairs: 100,
  helloMs: 2000,
  sleepers: 50,
  timeout: 10,
  ownWarmUpMs: 10_000,
  queued: 10_000,
  waiting: [100, 1000, 10_000, 100_000],
  turns: 5000,
  noisy: 1000,
  quiet: 20,
  stormMs: 60_000,
  newcomersPerSecond: 50,
  newcomersSeconds: 10,
  largestRequests: 80,
  streamPrograms: 8,
  streamMs: 10_000,
  streamStartMs: 2000,
  replicas: [1, 2, 3]
}
const quick = {
  rounds: 1,
  blockMs: 100,
  warmUpMs: 100,
  starts: 1,
  pairs: 2,
  helloMs: 100,
  sleepers: 4,
  timeout: 2,
  ownWarmUpMs: 100,
  queued: 1000,
  waiting: [100, 1000],
  turns: 200,
  noisy: 100,
  quiet: 5,
  stormMs: 1000,
  newcomersPerSecond: 10,
  newcomersSeconds: 1,
  largestRequests: 2,
  streamPrograms: 2,
  streamMs: 500,
  streamStartMs: 300,
  replicas: [1]
}

export const usage = `npm run bench -- [options]
  --only GROUP    one of ${groups.join(", ")}; all unless told
  --rounds N      turns of each row; ${whole.rounds} unless told
  --against DIR   measures the built checkout in DIR (${comparable.join(", ")}) in the same rounds too: ours to theirs
  --json FILE     writes what was found to FILE too
  --quick         takes a few seconds, for whether it runs at all
  --help          tells this`

/** The command line asks for something that there is not. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { message: Schema.String }) {}

const refuse = (why: string) => new UsageError({ message: `${why}\n${usage}` })

const roundsOf = (given: string | undefined, usual: number) => {
  const rounds = given === undefined ? usual : Number(given)
  return Number.isInteger(rounds) && rounds > 0
    ? Effect.succeed(rounds)
    : refuse(`--rounds: expected a whole number above 0, got '${given}'`)
}

const groupOf = <G extends Group>(option: string, known: ReadonlyArray<G>, given: string | undefined) => {
  if (given === undefined) return Effect.succeedNone
  const group = known.find((group) => group === given)
  return group === undefined
    ? refuse(`--${option}: expected one of ${known.join(", ")}, got '${given}'`)
    : Effect.succeedSome(group)
}

const read = (args: ReadonlyArray<string>) =>
  Effect.try({
    try: () =>
      parseArgs({
        args: [...args],
        options: {
          help: { type: "boolean" },
          quick: { type: "boolean" },
          only: { type: "string" },
          alone: { type: "string" },
          replica: { type: "boolean" },
          against: { type: "string" },
          rounds: { type: "string" },
          json: { type: "string" }
        }
      }).values,
    catch: (error) => refuse(error instanceof Error ? error.message : String(error))
  })

const againstOf = (given: string | undefined, only: Option.Option<Group>) => {
  const isComparable = Option.match(only, {
    onNone: () => true,
    onSome: (group) => comparable.includes(group)
  })
  return given === undefined || isComparable
    ? Effect.succeed(Option.fromNullable(given))
    : refuse(`--against compares ${comparable.join(", ")} alone`)
}

/** What a command line asks for. */
export const parse = Effect.fn("Options.parse")(function* (args: ReadonlyArray<string>) {
  const given = yield* read(args)
  const usual = given.quick === true ? quick : whole
  const only = yield* groupOf("only", groups, given.only)
  const options: Options = {
    ...usual,
    help: given.help === true,
    quick: given.quick === true,
    isReplica: given.replica === true,
    only,
    alone: yield* groupOf("alone", aloneGroups, given.alone),
    against: yield* againstOf(given.against, only),
    rounds: yield* roundsOf(given.rounds, usual.rounds),
    json: Option.fromNullable(given.json)
  }
  return options
})
