import { Array as Arr, Either, Option } from "effect"
import { type Answer, type Outcome, sleeperTimeout } from "./Load.js"

/** What the load is judged by; the numbers of docs/benchmarks.md. */
export const goals = { failures: 0.01, overheadMs: 50, latenessMs: 1000 }

const fraction = (sorted: ReadonlyArray<number>, part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN

const numbers = (values: ReadonlyArray<number>) => {
  const sorted = values.toSorted((one, other) => one - other)
  return { median: fraction(sorted, 0.5), p95: fraction(sorted, 0.95), most: sorted.at(-1) ?? Number.NaN }
}

const whole = (name: string, { median, most, p95 }: ReturnType<typeof numbers>) =>
  `${name.padEnd(38)} median ${median.toFixed(0)} ms, 95 % ${p95.toFixed(0)} ms, most ${most.toFixed(0)} ms`

/** What came of a request in a word or two. */
const outcomeOf = ({ result }: Answer) =>
  Either.match(result, { onLeft: (message) => `no result: ${message}`, onRight: ({ verdict }) => verdict })

const timesOf = (answers: ReadonlyArray<Answer>, verdict: string) =>
  Arr.filterMap(answers, ({ latencyMs, result }) =>
    Either.isRight(result) && result.right.verdict === verdict
      ? Option.some({ latencyMs, ...result.right.metrics })
      : Option.none()
  )

/** The text for people, and the goals that were missed. */
export const of = ({ executions, idleMB, mostMB, seconds, timeouts }: Outcome) => {
  const done = timesOf(executions, "Completed")
  const ended = timesOf(timeouts, "TimeLimitExceeded")
  const overhead = numbers(done.map(({ executionTimeMs = 0, latencyMs }) => latencyMs - executionTimeMs))
  const late = numbers(
    ended.map(({ executionTimeMs = 0 }) => Math.abs(executionTimeMs - sleeperTimeout * 1000))
  )
  const asked = executions.length + timeouts.length
  const failures = (asked - done.length - ended.length) / asked
  const outcomes = Object.entries(Arr.groupBy(executions, outcomeOf)).map(
    ([name, all]) => `  ${all.length} × ${name}`
  )
  const missed = [
    ...(failures < goals.failures ? [] : [`${(failures * 100).toFixed(1)} % did not end as they should`]),
    ...(overhead.median < goals.overheadMs
      ? []
      : [`the median overhead is not below ${goals.overheadMs} ms`]),
    ...(late.most < goals.latenessMs ? [] : [`a timeout was not within ${goals.latenessMs} ms`])
  ]
  const text = [
    `${done.length} of ${executions.length} completed in ${seconds.toFixed(1)} s: ${(done.length / seconds).toFixed(1)} a second`,
    ...outcomes,
    whole("latency", numbers(done.map(({ latencyMs }) => latencyMs))),
    whole("of that, waiting for a place", numbers(done.map(({ queueTimeMs = 0 }) => queueTimeMs))),
    whole("of that, not the program's own time", overhead),
    whole(`away from a timeout of ${sleeperTimeout} s (${ended.length})`, late),
    `the server's memory ${idleMB.toFixed(0)} MiB before, ${mostMB.toFixed(0)} MiB at most`,
    ...(missed.length === 0 ? ["all goals met"] : missed.map((each) => `missed: ${each}`))
  ].join("\n")
  return { text, missed }
}
