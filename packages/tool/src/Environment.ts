import { type ConfigError, ConfigProvider, Effect, Predicate } from "effect"
import { SetUpFailure } from "./SetUpFailure.js"

/** Settings by their names, like `process.env` or the bindings of a worker. What is not text is not looked at. */
export type Environment = object

const isText = (entry: [string, unknown]): entry is [string, string] => Predicate.isString(entry[1])

const providerOf = (env: Environment | undefined) =>
  env === undefined
    ? ConfigProvider.fromEnv()
    : ConfigProvider.fromMap(new Map(Object.entries(env).filter(isText)))

const lines = (error: ConfigError.ConfigError): ReadonlyArray<string> =>
  error._op === "And" || error._op === "Or"
    ? [...lines(error.left), ...lines(error.right)]
    : [`${error.path.join(".")}: ${error.message}`]

/** Reads settings from these variables, or from the process's where there are none. */
export const read = <A>(
  settings: Effect.Effect<A, ConfigError.ConfigError>,
  env: Environment | undefined
): Effect.Effect<A, SetUpFailure> =>
  Effect.withConfigProvider(settings, providerOf(env)).pipe(
    Effect.mapError((error) => new SetUpFailure({ message: [...new Set(lines(error))].join("; ") }))
  )
