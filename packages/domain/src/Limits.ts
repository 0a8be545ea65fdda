import { Schema } from "effect"

/** More than any limit is ever set to. */
const plenty = 2 ** 40

const whole = (unit: string, least = 1, most = plenty) =>
  Schema.Number.pipe(
    Schema.filter((value) => Number.isInteger(value) && value >= least && value <= most, {
      message: () => `expected a whole number of ${unit}, ${least} to ${most}`,
      jsonSchema: { type: "integer", minimum: least, maximum: most }
    })
  )

/** In bytes it has to fit the 15 digits that the supervisor in the sandbox takes. */
const mostMB = 100_000_000

/** What a shell, the supervisor and a program's own start need; and what Linux can count, with those that serve them. */
const [leastProcesses, mostProcesses] = [8, 4_000_000]

/** What a text in the service's memory can hold. */
const mostOutputBytes = 2 ** 29

const seconds = Schema.Number.pipe(
  Schema.filter((value) => Number.isFinite(value) && value > 0 && value <= 86_400, {
    message: () => "expected a positive number of seconds, 86400 at most",
    jsonSchema: { exclusiveMinimum: 0, maximum: 86_400 }
  })
)

/** Every limit, by the name it has in code; its environment variable is `SANDBOX_` and the name in upper snake case. */
export const LimitsSchema = Schema.Struct({
  /** Seconds of wall time for a request that names none. */
  defaultTimeout: seconds,
  /** Most seconds of wall time a request may ask for. */
  maxTimeout: seconds,
  /** Seconds between SIGTERM and SIGKILL. */
  killGracePeriod: seconds,
  /** Seconds of CPU time, all processes together. */
  maxCpuTime: seconds,
  /** Percent of the sandbox's vCPUs. */
  maxCpuPercent: whole("percent").pipe(
    Schema.lessThanOrEqualTo(100, { message: () => "expected 1 to 100 percent" })
  ),
  maxMemoryMB: whole("MB", 16, mostMB),
  maxDiskMB: whole("MB", 1, mostMB),
  /** Processes and threads in one sandbox. */
  maxProcesses: whole("processes", leastProcesses, mostProcesses),
  maxConcurrentSandboxes: whole("sandboxes"),
  maxSandboxesPerUser: whole("sandboxes"),
  /** GPUs in use at once, of all users, of one user and of one execution; never more than the provider has. */
  maxGpus: whole("GPUs", 0),
  maxGpusPerUser: whole("GPUs", 0),
  maxGpusPerExecution: whole("GPUs", 0),
  /** Executions that may wait for a sandbox, in all and for one user. */
  maxQueued: whole("executions", 0),
  maxQueuedPerUser: whole("executions", 0),
  /** MB of requests that are being received or wait, of all users and of one. */
  maxQueuedMB: whole("MB"),
  maxUserQueuedMB: whole("MB"),
  /** Longest wait for a sandbox, in seconds. */
  maxQueueWait: seconds,
  maxCodeBytes: whole("bytes"),
  /** MB of one request's files, together. */
  maxUploadMB: whole("MB"),
  /** Files of one request. */
  maxUploadFiles: whole("files", 0),
  /** Bytes of each output stream that a result keeps: half from its head, half from its tail. */
  maxOutputBytes: whole("bytes", 1, mostOutputBytes),
  /** Bytes of output, both streams together, that end the execution. */
  hardOutputBytes: whole("bytes"),
  /** Streams of updates that may be read at once of one user's executions. */
  maxStreamsPerUser: whole("streams"),
  maxArtifactSizeMB: whole("MB"),
  maxArtifactsPerExecution: whole("files", 0),
  maxRetries: whole("retries", 0),
  /** US dollars that one user's executions may cost within the budget's days; 0: no budget. */
  userBudgetUsd: Schema.Number.pipe(
    Schema.filter((value) => Number.isFinite(value) && value >= 0, {
      message: () => "expected US dollars, 0 or more"
    })
  ),
  userBudgetDays: whole("days"),
  /** Milliseconds before the first retry; doubles with each. */
  retryBackoffMs: whole("milliseconds"),
  /** Sandboxes that are asked for in a second, at most; 0: as many as are needed. */
  maxCreatesPerSecond: whole("sandboxes", 0),
  /** Failures of the provider in a row after which it is left alone. */
  breakerFailures: whole("failures"),
  /** Seconds for which a provider that is down is left alone. */
  breakerCooldown: seconds,
  /** Seconds between looks for sandboxes that nobody holds. */
  reaperInterval: seconds,
  /** Sandboxes that are kept ready, at least and at most; at most 0: none. */
  poolMin: whole("sandboxes", 0),
  poolMax: whole("sandboxes", 0),
  /** Seconds that a sandbox may wait in the pool. */
  poolMaxAge: seconds
})
export type LimitValues = typeof LimitsSchema.Type

/** What each limit bounds, with its unit. */
export const limitMeanings: Record<keyof LimitValues, string> = {
  defaultTimeout: "seconds of wall time for a request that names none",
  maxTimeout: "most seconds of wall time that a request may ask for",
  killGracePeriod: "seconds between SIGTERM and SIGKILL",
  maxCpuTime: "seconds of CPU time, all processes together",
  maxCpuPercent: "percent of the sandbox's vCPUs",
  maxMemoryMB: "MB of memory",
  maxDiskMB: "MB of disk",
  maxProcesses: "processes and threads in one sandbox",
  maxConcurrentSandboxes: "executions at once, of all users",
  maxSandboxesPerUser: "executions at once, of one user",
  maxGpus: "GPUs in use at once, of all users; never more than the provider has",
  maxGpusPerUser: "GPUs in use at once, of one user",
  maxGpusPerExecution: "GPUs of one execution",
  maxQueued: "executions that may wait, of all users",
  maxQueuedPerUser: "executions that may wait, of one user",
  maxQueuedMB: "MB of requests that are being received or wait, of all users",
  maxUserQueuedMB: "MB of requests that are being received or wait, of one user",
  maxQueueWait: "longest wait in the queue, in seconds",
  maxCodeBytes: "bytes of code",
  maxUploadMB: "MB of one request's files, all together",
  maxUploadFiles: "files of one request",
  maxOutputBytes: "bytes of each output stream that a result keeps, head and tail",
  hardOutputBytes: "bytes of output, both streams together, that end an execution",
  maxStreamsPerUser: "streams of updates read at once, of one user's executions",
  maxArtifactSizeMB: "MB of one artifact",
  maxArtifactsPerExecution: "artifacts of one execution",
  maxRetries: "retries after a failure of the infrastructure",
  userBudgetUsd: "US dollars that one user may spend within the budget's days; 0: no budget",
  userBudgetDays: "days that a budget covers, up to now",
  retryBackoffMs: "milliseconds before the first retry; doubles with each",
  maxCreatesPerSecond: "sandboxes created in one second, at most; 0: no limit",
  breakerFailures: "failures of the provider in a row that open the circuit breaker",
  breakerCooldown: "seconds until an open circuit breaker lets one request try",
  reaperInterval: "seconds between the reaper's searches for orphaned sandboxes",
  poolMin: "sandboxes kept ready, at least",
  poolMax: "sandboxes kept ready, at most; 0: no pool",
  poolMaxAge: "seconds that a sandbox may wait in the pool"
}

/** The defaults of the specification, and ours beside them. */
export const defaultLimits: LimitValues = {
  defaultTimeout: 300,
  maxTimeout: 900,
  killGracePeriod: 10,
  maxCpuTime: 900,
  maxCpuPercent: 80,
  maxMemoryMB: 2048,
  maxDiskMB: 5120,
  maxProcesses: 128,
  maxConcurrentSandboxes: 50,
  maxSandboxesPerUser: 5,
  maxGpus: 1024,
  maxGpusPerUser: 8,
  maxGpusPerExecution: 8,
  maxQueued: 500,
  maxQueuedPerUser: 50,
  maxQueuedMB: 96,
  maxUserQueuedMB: 32,
  maxQueueWait: 60,
  maxCodeBytes: 1_048_576,
  maxUploadMB: 64,
  maxUploadFiles: 1000,
  maxOutputBytes: 1_048_576,
  hardOutputBytes: 67_108_864,
  maxStreamsPerUser: 100,
  maxArtifactSizeMB: 100,
  maxArtifactsPerExecution: 20,
  userBudgetUsd: 0,
  userBudgetDays: 30,
  maxRetries: 3,
  retryBackoffMs: 1000,
  maxCreatesPerSecond: 0,
  breakerFailures: 5,
  breakerCooldown: 10,
  reaperInterval: 60,
  poolMin: 0,
  poolMax: 0,
  poolMaxAge: 300
}

/** Limits that are laid down when the sandboxes' provider is set up, and stay as they are until the next start. */
export const fixedLimits = [
  "maxCpuPercent",
  "maxMemoryMB",
  "maxDiskMB",
  "maxProcesses",
  "maxCreatesPerSecond",
  "breakerFailures",
  "breakerCooldown",
  "reaperInterval",
  "poolMin",
  "poolMax",
  "poolMaxAge"
] as const satisfies ReadonlyArray<keyof LimitValues>

/** What can be changed while the service runs: any of the limits but those that are fixed at its start. */
export const LimitChanges = Schema.partialWith(LimitsSchema.omit(...fixedLimits), { exact: true })
export type LimitChanges = typeof LimitChanges.Type

/** The limits cannot be changed like this. `field` names the limit; the message says what is accepted. */
export class LimitsRefused extends Schema.TaggedError<LimitsRefused>()("LimitsRefused", {
  field: Schema.String,
  message: Schema.String
}) {}

/**
 * Whoever admits the executions of all replicas gives no answer, so it is not known whether the limits are changed. The
 * same change can be tried again after `retryAfter` seconds.
 */
export class AdmissionUnreachable extends Schema.TaggedError<AdmissionUnreachable>()("AdmissionUnreachable", {
  message: Schema.String,
  retryAfter: Schema.Number
}) {}

/** Limits of which the first must not be larger than the second. */
const pairs = [
  ["defaultTimeout", "maxTimeout"],
  ["poolMin", "poolMax"]
] as const

/** What is wrong between limits that are right each for itself, by the name of the first. */
export const contradiction = (values: LimitValues, nameOf: (limit: string) => string) => {
  const pair = pairs.find(([smaller, larger]) => values[smaller] > values[larger])
  if (pair === undefined) return undefined
  const [smaller, larger] = pair
  const message = `expected at most ${nameOf(larger)} (${values[larger]}), got '${values[smaller]}'`
  return { limit: smaller, message }
}
