import { Config, ConfigError, Either, type Option, Redacted } from "effect"

/** What a variable takes. */
export interface Format<A> {
  /** In words that follow "expected", like "a port, 0 to 65535". */
  readonly takes: string
  /** Left: what is wrong with the text, in words that follow the comma. */
  readonly parse: (text: string) => Either.Either<A, string>
  readonly isSecret: boolean
}

/** A variable of the environment, described for people. */
export interface Description {
  readonly name: string
  /** What it decides, with the unit. */
  readonly meaning: string
  /** What counts when it is absent. */
  readonly otherwise: string
  readonly isSecret: boolean
}

/** A variable of the environment. */
export interface Setting<A> extends Description {
  /** Fails with a `ConfigError` that names the variable and says what it takes. */
  readonly config: Config.Config<A>
}

/** A format whose errors show the text that was refused. */
export const format = <A>(takes: string, parse: (text: string) => Option.Option<A>): Format<A> => ({
  takes,
  parse: (text) => Either.fromOption(parse(text), () => `got '${text}'`),
  isSecret: false
})

/** A format whose errors do not show what was refused. */
export const secret = (takes: string, isRight: (text: string) => boolean): Format<Redacted.Redacted> => ({
  takes,
  parse: (text) => (isRight(text) ? Either.right(Redacted.make(text)) : Either.left("got something else")),
  isSecret: true
})

interface Options<A> {
  readonly name: string
  readonly meaning: string
  readonly format: Format<A>
}

/** The one rule for all variables: set to nothing, a variable counts as absent. Spaces around a value do not count. */
const read = <A>({ format, meaning, name }: Options<A>): Config.Config<A> =>
  Config.primitive(format.takes, (text) => {
    const value = text.trim()
    if (value === "") return Either.left(ConfigError.MissingData([], `expected ${format.takes}`))
    return Either.mapLeft(format.parse(value), (wrong) =>
      ConfigError.InvalidData([], `expected ${format.takes}, ${wrong}`)
    )
  }).pipe(Config.nested(name), Config.withDescription(meaning))

const setting = <A>(
  { format, meaning, name }: Options<unknown>,
  otherwise: string,
  config: Config.Config<A>
) => ({
  name,
  meaning,
  otherwise,
  isSecret: format.isSecret,
  config
})

/** A variable that has a default. */
export const withDefault = <A extends string | number>(
  options: Options<A> & { readonly otherwise: A }
): Setting<A> =>
  setting(options, String(options.otherwise), Config.withDefault(read(options), options.otherwise))

/** A variable that may be absent; `otherwise` says in words what counts then. */
export const optional = <A>(
  options: Options<A> & { readonly otherwise: string }
): Setting<Option.Option<A>> => setting(options, options.otherwise, Config.option(read(options)))
