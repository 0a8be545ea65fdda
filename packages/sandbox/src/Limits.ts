import { Config, ConfigError, Context, Effect, Either, Layer, ParseResult, Schema } from "effect"

const whole = (unit: string, least = 1) =>
  Schema.Number.pipe(
    Schema.filter((value) => Number.isInteger(value) && value >= least && value <= 2 ** 40, {
      message: () => `expected a whole number of ${unit}, ${least} or more`
    })
  )

const seconds = Schema.Number.pipe(
  Schema.filter((value) => Number.isFinite(value) && value > 0 && value <= 86_400, {
    message: () => "expected a positive number of seconds, 86400 at most"
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
  maxMemoryMB: whole("MB", 16),
  maxDiskMB: whole("MB"),
  /** Processes and threads in one sandbox. */
  maxProcesses: whole("processes"),
  maxConcurrentSandboxes: whole("sandboxes"),
  maxSandboxesPerUser: whole("sandboxes"),
  /** Executions that may wait for a sandbox, in all and for one user. */
  maxQueued: whole("executions", 0),
  maxQueuedPerUser: whole("executions", 0),
  /** Longest wait for a sandbox, in seconds. */
  maxQueueWait: seconds,
  maxCodeBytes: whole("bytes"),
  /** Bytes of each output stream that a result keeps: half from its head, half from its tail. */
  maxOutputBytes: whole("bytes"),
  /** Bytes of output, both streams together, that end the execution. */
  hardOutputBytes: whole("bytes"),
  maxArtifactSizeMB: whole("MB"),
  maxArtifactsPerExecution: whole("files", 0),
  maxRetries: whole("retries", 0),
  /** Milliseconds before the first retry; doubles with each. */
  retryBackoffMs: whole("milliseconds")
})
export type LimitValues = typeof LimitsSchema.Type

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
  maxQueued: 500,
  maxQueuedPerUser: 50,
  maxQueueWait: 60,
  maxCodeBytes: 1_048_576,
  maxOutputBytes: 1_048_576,
  hardOutputBytes: 67_108_864,
  maxArtifactSizeMB: 100,
  maxArtifactsPerExecution: 20,
  maxRetries: 3,
  retryBackoffMs: 1000
}

/** The environment variable of a limit: `maxMemoryMB` is `SANDBOX_MAX_MEMORY_MB`. */
export const variableName = (limit: string) =>
  `SANDBOX_${limit.replaceAll(/([a-z])([A-Z])/g, "$1_$2").toUpperCase()}`

const names = Object.keys(LimitsSchema.fields) as ReadonlyArray<keyof LimitValues>

const limitFromEnv = (name: keyof LimitValues) =>
  Config.string(variableName(name)).pipe(
    Config.mapOrFail((text) => {
      const value = text.trim() === "" ? Number.NaN : Number(text)
      return Either.mapLeft(ParseResult.validateEither(LimitsSchema.fields[name])(value), (error) =>
        ConfigError.InvalidData(
          [],
          `${ParseResult.ArrayFormatter.formatIssueSync(error)[0]?.message}, got '${text}'`
        )
      )
    }),
    Config.withDefault(defaultLimits[name])
  )

/** Reads every limit from the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
const fromEnv: Config.Config<LimitValues> = Config.map(
  Config.all(names.map((name) => Config.map(limitFromEnv(name), (value) => [name, value] as const))),
  (entries) => Object.fromEntries(entries) as unknown as LimitValues
)

const checked = (values: LimitValues) =>
  values.defaultTimeout > values.maxTimeout
    ? Either.left(
        ConfigError.InvalidData(
          [variableName("defaultTimeout")],
          `expected at most ${variableName("maxTimeout")} (${values.maxTimeout}), got '${values.defaultTimeout}'`
        )
      )
    : Either.right(values)

/** The limits in force. */
export class Limits extends Context.Tag("@bulkhead/sandbox/Limits")<Limits, LimitValues>() {
  /** The defaults with some limits set otherwise. Dies on a value that is out of range: that is a mistake in the program. */
  static layer(limits: Partial<LimitValues> = {}): Layer.Layer<Limits> {
    return Layer.effect(
      Limits,
      Schema.validate(LimitsSchema)({ ...defaultLimits, ...limits }).pipe(
        Effect.flatMap(checked),
        Effect.orDie
      )
    )
  }

  /** The defaults with some limits set by the environment. */
  static readonly layerFromEnv: Layer.Layer<Limits, ConfigError.ConfigError> = Layer.effect(
    Limits,
    Effect.flatMap(fromEnv, checked)
  )
}
