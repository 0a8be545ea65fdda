import { type NetworkUse, type Refusal, refusals, type UserId } from "@bulkhead/domain"
import { Context, Effect, Metric } from "effect"
import type { TerminalEvent } from "../Record/ExecutionLog.js"
import { counter, labelled, seconds } from "./Labelled.js"

/** Whether users are told apart. Default: no metric has a user's name. */
export class UserInstruments extends Context.Reference<UserInstruments>()(
  "@bulkhead/sandbox/UserInstruments",
  { defaultValue: () => ({ areOn: false }) }
) {}

const byOutcome = ["language", "verdict"] as const

const executions = labelled(counter("bulkhead_executions_total", "Executions that have ended."), [
  "language",
  "image",
  "verdict"
])
const queueTime = labelled(
  seconds("bulkhead_execution_queue_seconds", "How long executions waited for their turn."),
  byOutcome
)
const startTime = labelled(
  seconds("bulkhead_execution_start_seconds", "How long it took until a sandbox was ready for the program."),
  byOutcome
)
const runTime = labelled(seconds("bulkhead_execution_run_seconds", "How long programs ran."), byOutcome)
const cpuTime = labelled(counter("bulkhead_execution_cpu_seconds_total", "CPU time of programs."), [
  "language"
])
const retries = counter("bulkhead_execution_retries_total", "Tries after the infrastructure had failed.")
const errors = labelled(
  counter("bulkhead_execution_errors_total", "Executions that ended with an error, by its code."),
  ["code"]
)
const sandboxTime = counter("bulkhead_sandbox_seconds_total", "How long sandboxes of executions lived.")

const refused = labelled(
  counter("bulkhead_refusals_total", "Requests to run something that were turned away, by the error's code."),
  ["code"]
)

const connections = labelled(
  counter(
    "bulkhead_network_connections_total",
    "Connections that programs tried, as far as they are watched."
  ),
  ["decision"]
)
const bytes = labelled(
  counter(
    "bulkhead_network_bytes_total",
    "Bytes that programs sent and received, as far as they are watched."
  ),
  ["direction"]
)

/** Also of executions that have not ended yet. */
export const secretUses = counter(
  "bulkhead_secret_uses_total",
  "Secrets used at their hosts; each host of each once for each run of a program."
)

/** As many users as are told apart. */
const mostUsers = 1000

const userExecutions = labelled(
  counter("bulkhead_user_executions_total", "Executions that have ended, of each user."),
  ["user", "verdict"],
  mostUsers
)
const userSandboxTime = labelled(
  counter("bulkhead_user_sandbox_seconds_total", "How long sandboxes lived, of each user."),
  ["user"],
  mostUsers
)

/** What there is to count of an execution that has ended. */
export interface EndedExecution {
  readonly userId: UserId
  readonly language: string
  /** Absent: the plain sandbox. */
  readonly image: string | undefined
  readonly terminal: Pick<TerminalEvent, "verdict" | "result">
  /** How long its sandboxes have lived. */
  readonly sandboxMs: number
  readonly networkUse: NetworkUse | undefined
}

const inSeconds = (milliseconds: number) => milliseconds / 1000

/** What could not be measured is absent, and no zero. */
const measured = <Type, Out>(
  metric: Metric.Metric<Type, number, Out>,
  milliseconds: number | undefined
): Effect.Effect<void> =>
  milliseconds === undefined ? Effect.void : Metric.update(metric, inSeconds(milliseconds))

const network = ({ connections: allowed, denied, receivedBytes, sentBytes }: NetworkUse) =>
  Effect.all(
    [
      Metric.update(connections({ decision: "allowed" }), allowed),
      Metric.update(connections({ decision: "denied" }), denied),
      Metric.update(bytes({ direction: "sent" }), sentBytes),
      Metric.update(bytes({ direction: "received" }), receivedBytes)
    ],
    { discard: true }
  )

const ofUser = ({ sandboxMs, terminal: { verdict }, userId }: EndedExecution) =>
  Effect.zipRight(
    Metric.increment(userExecutions({ user: userId, verdict })),
    Metric.update(userSandboxTime({ user: userId }), inSeconds(sandboxMs))
  )

/** Counts an execution that has ended. */
export const ended = (execution: EndedExecution): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { image, language, networkUse, sandboxMs, terminal } = execution
    const { result, verdict } = terminal
    const labels = { language, verdict }
    yield* Metric.increment(executions({ ...labels, image: image ?? "" }))
    yield* measured(queueTime(labels), result?.metrics.queueTimeMs)
    yield* measured(startTime(labels), result?.metrics.startupTimeMs)
    yield* measured(runTime(labels), result?.metrics.executionTimeMs)
    yield* measured(cpuTime({ language }), result?.metrics.cpuTimeMs)
    yield* measured(sandboxTime, sandboxMs)
    yield* Metric.update(retries, result?.metrics.retries ?? 0)
    if (result?.error !== undefined) yield* Metric.increment(errors({ code: result.error.code }))
    if (networkUse !== undefined) yield* network(networkUse)
    if ((yield* UserInstruments).areOn) yield* ofUser(execution)
  })

/** Several may be told of one refusal: who waited, and who asked with the same key. */
const counted = new WeakSet<Refusal>()

/** Counts a request that was turned away, once. */
export const turnedAway = (refusal: Refusal): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (counted.has(refusal)) return Effect.void
    counted.add(refusal)
    return Metric.increment(refused({ code: refusals[refusal._tag].code }))
  })
