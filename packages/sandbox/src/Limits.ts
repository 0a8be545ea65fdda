import {
  contradiction,
  defaultLimits,
  faultOf,
  fixedLimits,
  LimitChanges,
  LimitsRefused,
  LimitsSchema,
  type LimitValues,
  limitMeanings
} from "@bulkhead/domain"
import {
  Config,
  ConfigError,
  Context,
  Effect,
  Either,
  Layer,
  ParseResult,
  Predicate,
  Record,
  Schema
} from "effect"

export { defaultLimits, type LimitValues }

/** The environment variable of a limit: `maxMemoryMB` is `SANDBOX_MAX_MEMORY_MB`. */
export const variableName = (limit: string) =>
  `SANDBOX_${limit.replaceAll(/([a-z])([A-Z])/g, "$1_$2").toUpperCase()}`

const names = Object.keys(LimitsSchema.fields) as ReadonlyArray<keyof LimitValues>

const parse = (name: keyof LimitValues, text: string) => {
  if (text.trim() === "") return Either.left(ConfigError.MissingData([], "expected a number"))
  return Either.mapLeft(ParseResult.validateEither(LimitsSchema.fields[name])(Number(text)), (error) =>
    ConfigError.InvalidData(
      [],
      `${ParseResult.ArrayFormatter.formatIssueSync(error)[0]?.message}, got '${text}'`
    )
  )
}

/** A variable that is set to nothing counts as absent. */
const limitFromEnv = (name: keyof LimitValues, otherwise: number) =>
  Config.primitive("a number", (text) => parse(name, text)).pipe(
    Config.nested(variableName(name)),
    Config.withDescription(limitMeanings[name]),
    Config.withDefault(otherwise)
  )

/** Reads every limit from the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
const fromEnv = (defaults: LimitValues): Config.Config<LimitValues> =>
  Config.map(
    Config.all(
      names.map((name) => Config.map(limitFromEnv(name, defaults[name]), (value) => [name, value] as const))
    ),
    (entries) => Object.fromEntries(entries) as unknown as LimitValues
  )

const checked = (values: LimitValues) => {
  const found = contradiction(values, variableName)
  return found === undefined
    ? Either.right(values)
    : Either.left(ConfigError.InvalidData([variableName(found.limit)], found.message))
}

/** The limits in force. */
export class Limits extends Context.Tag("@bulkhead/sandbox/Limits")<Limits, LimitValues>() {
  /** The variables that `layerFromEnv` reads: their names, their meanings with the unit, and the limits they set. */
  static readonly variables = names.map((limit) => ({
    name: variableName(limit),
    meaning: limitMeanings[limit],
    limit
  }))

  /**
   * The defaults with some limits set otherwise. Dies on a value that is out of range: that is a mistake in the
   * program.
   */
  static layer(limits: Partial<LimitValues> = {}): Layer.Layer<Limits> {
    return Layer.effect(
      Limits,
      Schema.validate(LimitsSchema)({ ...defaultLimits, ...limits }).pipe(
        Effect.flatMap(checked),
        Effect.orDie
      )
    )
  }

  /** The defaults, some of them set otherwise, with some limits set by the environment. */
  static layerFromEnvOver(defaults: Partial<LimitValues>): Layer.Layer<Limits, ConfigError.ConfigError> {
    return Layer.effect(Limits, Effect.flatMap(fromEnv({ ...defaultLimits, ...defaults }), checked))
  }

  /** The defaults with some limits set by the environment. */
  static readonly layerFromEnv: Layer.Layer<Limits, ConfigError.ConfigError> = Layer.suspend(() =>
    Limits.layerFromEnvOver({})
  )
}

const decodeChanges = Schema.decodeUnknownEither(LimitChanges, { onExcessProperty: "error" })

const isFixed = (limit: string) => fixedLimits.some((fixed) => fixed === limit)

/** Who writes every limit they know has null for those that stay. */
const withoutNulls = (changes: unknown) =>
  Predicate.isReadonlyRecord(changes) ? Record.filter(changes, Predicate.isNotNull) : changes

/** The limits with some of them changed. Says which change is refused, and why. */
export const change = (current: LimitValues, changes: unknown): Either.Either<LimitValues, LimitsRefused> =>
  decodeChanges(withoutNulls(changes)).pipe(
    Either.mapLeft((error) => {
      const { field, message } = faultOf(error, "limits")
      return new LimitsRefused({
        field,
        message: isFixed(field) ? `${field}: is fixed when the service starts` : message
      })
    }),
    Either.flatMap((values) => {
      const changed = { ...current, ...values }
      const found = contradiction(changed, (limit) => limit)
      return found === undefined
        ? Either.right(changed)
        : Either.left(new LimitsRefused({ field: found.limit, message: `${found.limit}: ${found.message}` }))
    })
  )
