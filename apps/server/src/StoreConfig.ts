import { homedir } from "node:os"
import { join } from "node:path"
import { Config, ConfigError, Context, Either, Layer, Option, type Redacted } from "effect"

/** Where the server keeps what has happened, and for how long. */
export interface StoreSettings {
  /** The SQLite database, unless there is another, and artifacts. Default: `bulkhead` under the user's state directory. */
  readonly directory: string
  /** PostgreSQL, in the place of SQLite. */
  readonly databaseUrl: Option.Option<Redacted.Redacted>
  /** Whether a commit waits until the disk has it: `full` also survives a power loss. Default `normal`. */
  readonly durability: "normal" | "full"
  /** Days that an execution is kept after its end; 0: for ever. Default 30. */
  readonly retentionDays: number
  /** MB of executions, events and results; 0: no bound. Default 10240. */
  readonly retentionMB: number
  /** Whether every event is also written to stdout, a line of JSON each. Default: unless stdout is a terminal. */
  readonly logsEvents: boolean
  readonly prices: { readonly vcpuSecond: number; readonly gibSecond: number }
}

// `mapOrFail` puts the variable's name before it.
const invalid = (expected: string, got: string) =>
  ConfigError.InvalidData([], `expected ${expected}, got '${got}'`)

const number = (name: string, otherwise: number, isRight: (value: number) => boolean, expected: string) =>
  Config.string(name).pipe(
    Config.mapOrFail((text) => {
      const value = text.trim() === "" ? otherwise : Number(text)
      return isRight(value) ? Either.right(value) : Either.left(invalid(expected, text))
    }),
    Config.withDefault(otherwise)
  )

const whole = (name: string, otherwise: number, unit: string) =>
  number(
    name,
    otherwise,
    (value) => Number.isInteger(value) && value >= 0 && value <= 2 ** 40,
    `a whole number of ${unit}, 0 or more`
  )

const dollars = (name: string, otherwise: number) =>
  number(
    name,
    otherwise,
    (value) => Number.isFinite(value) && value >= 0,
    "US dollars for a second, 0 or more"
  )

const durability = Config.string("SANDBOX_DURABILITY").pipe(
  Config.mapOrFail((text) =>
    text === "normal" || text === "full"
      ? Either.right<"normal" | "full">(text)
      : Either.left(invalid("'normal' or 'full'", text))
  ),
  Config.withDefault("normal" as const)
)

const logsEvents = Config.string("SANDBOX_EVENT_LOG").pipe(
  Config.mapOrFail((text) =>
    text === "stdout" || text === "off"
      ? Either.right(text === "stdout")
      : Either.left(invalid("'stdout' or 'off'", text))
  ),
  Config.option,
  Config.map(Option.getOrElse(() => !process.stdout.isTTY))
)

const stateDirectory = Config.string("XDG_STATE_HOME").pipe(
  Config.withDefault(join(homedir(), ".local/state"))
)

const directory = Config.orElse(Config.nonEmptyString("SANDBOX_DATA_DIR"), () =>
  Config.map(stateDirectory, (state) => join(state, "bulkhead"))
)

const databaseUrl = Config.option(Config.redacted(Config.nonEmptyString("DATABASE_URL")))

/** How the store of this server is set up. */
export class StoreConfig extends Context.Tag("@bulkhead/server/StoreConfig")<StoreConfig, StoreSettings>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<StoreConfig, ConfigError.ConfigError> = Layer.effect(
    StoreConfig,
    Config.all({
      directory,
      databaseUrl,
      durability,
      retentionDays: whole("SANDBOX_RETENTION_DAYS", 30, "days"),
      retentionMB: whole("SANDBOX_RETENTION_MB", 10_240, "MB"),
      logsEvents,
      prices: Config.all({
        vcpuSecond: dollars("SANDBOX_PRICE_VCPU_SECOND", 0.000014),
        gibSecond: dollars("SANDBOX_PRICE_GIB_SECOND", 0.0000045)
      })
    })
  )
}
