import { Harmless, type SystemMetrics } from "@bulkhead/domain"
import { Command, Options } from "@effect/cli"
import { Duration, Effect, Schedule } from "effect"
import * as Connection from "../server/Connection.js"
import { Output } from "../terminal/Output.js"
import * as Words from "../terminal/Words.js"
import * as Ps from "./Ps.js"

const options = {
  interval: Options.integer("interval").pipe(
    Options.withPseudoName("SECONDS"),
    Options.withDescription("Seconds between looks; 2 unless told."),
    Options.withDefault(2)
  ),
  ...Connection.options
}

type Given = Command.Command.ParseConfig<typeof options>

const active = ["running", "starting", "queued"] as const

const head = (metrics: SystemMetrics) => [
  [
    `${metrics.activeExecutions} active (${metrics.utilizationPercent} %)`,
    `${metrics.queuedExecutions} queued`,
    `${metrics.totalUsers} users`,
    `${metrics.openStreams} streams`,
    `${Words.size(metrics.artifactBytes)} of artifacts`
  ].join(", "),
  `provider: circuit ${metrics.circuit}, pool ${metrics.pool.idle} of ${metrics.pool.target} idle`,
  ""
]

const lines = Effect.fnUntraced(function* ({ askAsOperator, client }: Connection.Connection) {
  const metrics = yield* askAsOperator(client.admin.metrics())
  const lists = yield* Effect.forEach(active, (state) =>
    askAsOperator(client.admin.executions({ urlParams: { state } }))
  )
  return [...head(metrics), ...(yield* Ps.table(lists.flatMap(({ executions }) => executions)))]
})

/** A screen of its own, left as it was found; the cursor is away for as long. */
const screen = Effect.flatMap(Output, ({ stdout }) =>
  Effect.acquireRelease(stdout.write("\u001b[?1049h\u001b[?25l"), () =>
    Effect.ignore(stdout.write("\u001b[?25h\u001b[?1049l"))
  )
)

const draw = (lines: ReadonlyArray<string>) =>
  Effect.flatMap(Output, ({ stdout }) =>
    Effect.flatMap(Effect.all([stdout.columns, stdout.rows]), ([columns, rows]) => {
      const shown = lines.slice(0, rows - 1).map((line) => `${line.slice(0, columns)}\u001b[K\r\n`)
      return stdout.write(`\u001b[H${shown.join("")}\u001b[J`)
    })
  )

const top = Effect.fn("Top.top")(function* ({ interval, ...given }: Given) {
  const { stdout } = yield* Output
  const connection = yield* Connection.make(given)
  const first = yield* lines(connection)
  if (!stdout.isTerminal) return yield* stdout.write(first.map((line) => `${line}\n`).join(""))
  yield* screen
  yield* draw(first)
  yield* lines(connection).pipe(
    Effect.catchTag("Failure", ({ message }) => Effect.succeed([Harmless.line(message)])),
    Effect.flatMap(draw),
    Effect.schedule(Schedule.spaced(Duration.seconds(Math.max(1, interval))))
  )
}, Effect.scoped)

export const command = Command.make("top", options, top).pipe(
  Command.withDescription("Shows how busy a server is and what runs there, until Ctrl-C. For the operator.")
)
