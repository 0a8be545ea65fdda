import type { ExecutionResult, Receipt, Verdict } from "@bulkhead/domain"
import { bytes, counted, duration } from "../../text/Format.js"

const meanings: Readonly<Record<Verdict, string>> = {
  Completed: "The program ended well.",
  NonZeroExit: "The program ended by itself and said that something went wrong.",
  Signalled: "A signal ended the program, which nobody here had sent.",
  TimeLimitExceeded: "The program ran longer than it was allowed to, and was ended.",
  CpuTimeLimitExceeded: "The program used more CPU time than it was allowed to, and was ended.",
  MemoryLimitExceeded: "The program wanted more memory than it was allowed to have, and was ended.",
  OutputLimitExceeded: "The program wrote more output than it was allowed to, and was ended.",
  DiskLimitExceeded: "The program filled the disk that it was allowed to have.",
  ProcessLimitExceeded: "The program wanted more processes than it was allowed to have.",
  Killed: "Somebody asked for its end.",
  Rejected: "It was turned away: no program ran.",
  InternalError: "The infrastructure failed, and nothing is known of the program itself."
}

/** What a verdict means. */
export const ofVerdict = ({ exitCode, signal, verdict }: ExecutionResult): string =>
  [
    meanings[verdict],
    exitCode === undefined ? "" : `Its exit code was ${exitCode}.`,
    signal === undefined ? "" : `The signal was ${signal}.`
  ]
    .filter(Boolean)
    .join(" ")

const signals = ({ signals }: Receipt) =>
  signals.length === 0
    ? "No signal had to be sent."
    : `${signals.map(({ atMs, signal }) => `${signal} ${duration(atMs)} after its start`).join(", then ")}: to all of its processes.`

const leftRunning = ({ leftRunning }: Receipt) => {
  if (leftRunning === undefined) return "Nobody counted what it left behind at its end."
  return leftRunning === 0
    ? "It left no process behind at its end."
    : `It left ${counted(leftRunning, "process", "processes")} behind at its end: killed.`
}

const survivors = ({ deadAtMs, survivors }: Receipt) => {
  const seen =
    deadAtMs === undefined ? "" : ` Its last process was seen dead ${duration(deadAtMs)} after its start.`
  if (survivors === "unknown") return `Nobody could tell for certain whether a process of it lived on.${seen}`
  return survivors === 0
    ? `It is proven that no process of it lived on.${seen}`
    : `${counted(survivors, "process", "processes")} of it outlived all of that.${seen}`
}

const memory = ({ oomKills }: Receipt) =>
  oomKills ? `Its memory limit killed ${counted(oomKills, "process", "processes")} of it.` : ""

const sandbox = ({ sandboxDestroyed }: Receipt) =>
  sandboxDestroyed
    ? "Its sandbox is destroyed."
    : "It is not known whether its sandbox is destroyed: the reaper looks for it and ends it."

/** What was done to end an execution and what is known to be left of it, in sentences. */
export const ofReceipt = (receipt: Receipt): ReadonlyArray<string> =>
  [signals, leftRunning, survivors, memory, sandbox].map((say) => say(receipt)).filter(Boolean)

/** What was measured. What was not is not there. */
export const ofMetrics = ({ metrics, output }: ExecutionResult): ReadonlyArray<readonly [string, string]> => {
  const { cpuTimeMs, executionTimeMs, peakMemoryMB, queueTimeMs, retries, startupTimeMs } = metrics
  const time = (name: string, value: number | undefined) =>
    value === undefined ? [] : [[name, duration(value)] as const]
  return [
    ...time("Waited", queueTimeMs),
    ...time("Started in", startupTimeMs),
    ...time("Ran for", executionTimeMs),
    ...time("CPU time", cpuTimeMs),
    ...(peakMemoryMB === undefined ? [] : [["Peak memory", `${peakMemoryMB} MB`] as const]),
    ["Output", `${bytes(output.stdoutBytes)} and ${bytes(output.stderrBytes)} of errors`],
    ["Retries", String(retries)]
  ]
}
