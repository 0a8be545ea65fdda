import { randomBytes, randomUUID } from "node:crypto"
import { isIP } from "node:net"
import { hostname } from "node:os"
import { UserId } from "@bulkhead/domain"
import { Config, ConfigError, Context, Effect, Either, Layer, Option, Redacted, Schema } from "effect"

/** Who may call `POST /api/execute`, by key. */
export interface CallerKey {
  readonly userId: UserId
  readonly key: Redacted.Redacted
}

export interface E2BSettings {
  readonly apiKey: Redacted.Redacted
  readonly template: Option.Option<string>
  readonly domain: Option.Option<string>
}

/** Where sandboxes come from: E2B's cloud, or the embedded host on this machine. */
export type BackendChoice =
  | { readonly _tag: "E2B"; readonly settings: E2BSettings }
  | { readonly _tag: "Embedded" }

export interface ServerSettings {
  /** TCP port; 0 takes a free one. Default 8787. */
  readonly port: number
  /** Address or name to listen on. Default 127.0.0.1. */
  readonly host: string
  readonly backend: BackendChoice
  readonly adminToken: Redacted.Redacted
  /** Whether nobody chose the admin token, so that it has to be printed. */
  readonly adminTokenIsRandom: boolean
  /** The name of this server among those that share an E2B account. Default: the machine's name and the port. */
  readonly instance: string
  /** Empty: every caller on this machine may run code under any name. */
  readonly callerKeys: ReadonlyArray<CallerKey>
}

const invalid = (name: string, message: string) => ConfigError.InvalidData([name], message)

/** A variable that is set to nothing counts as absent. */
const text = (name: string): Config.Config<Option.Option<string>> =>
  Config.option(Config.string(name)).pipe(
    Config.map(Option.map((value) => value.trim())),
    Config.map(Option.filter((value) => value !== ""))
  )

const secret = (name: string) => Config.map(text(name), Option.map(Redacted.make))

const parsed = <A>(
  name: string,
  absent: A,
  parse: (value: string) => Option.Option<A>,
  expected: string
): Config.Config<A> =>
  text(name).pipe(
    Config.mapOrFail(
      Option.match({
        onNone: () => Either.right(absent),
        onSome: (value) =>
          Either.fromOption(parse(value), () => invalid(name, `expected ${expected}, got '${value}'`))
      })
    )
  )

const port = parsed(
  "PORT",
  8787,
  (value) => Option.liftPredicate(Number(value), (port) => /^\d{1,5}$/.test(value) && port <= 65_535),
  "a port, 0 to 65535"
)

const host = parsed(
  "HOST",
  "127.0.0.1",
  Option.liftPredicate((value) => isIP(value) !== 0 || /^[A-Za-z0-9.-]{1,253}$/.test(value)),
  "an address or a host name"
)

const backendName = parsed<Option.Option<"e2b" | "embedded">>(
  "SANDBOX_BACKEND",
  Option.none(),
  (value) => (value === "e2b" || value === "embedded" ? Option.some(Option.some(value)) : Option.none()),
  "'e2b' or 'embedded'"
)

const e2b = Config.all({
  apiKey: secret("E2B_API_KEY"),
  template: text("E2B_TEMPLATE"),
  domain: text("E2B_DOMAIN")
})

const backend: Config.Config<BackendChoice> = Config.all({ name: backendName, e2b }).pipe(
  Config.mapOrFail(
    ({ e2b: { apiKey, ...settings }, name }): Either.Either<BackendChoice, ConfigError.ConfigError> => {
      const choice = Option.getOrElse(name, () => (Option.isSome(apiKey) ? "e2b" : "embedded"))
      if (choice === "embedded") return Either.right({ _tag: "Embedded" })
      return Option.match(apiKey, {
        onNone: () =>
          Either.left(invalid("E2B_API_KEY", "expected E2B's key, since SANDBOX_BACKEND is 'e2b'")),
        onSome: (apiKey) => Either.right({ _tag: "E2B", settings: { apiKey, ...settings } })
      })
    }
  )
)

// What a header can carry as one word.
const isToken = (value: string) => /^[\x21-\x7e]+$/.test(value)
const tokenForm = "printable ASCII characters without spaces"

const adminToken = secret("ADMIN_API_TOKEN").pipe(
  Config.mapOrFail((token) =>
    Option.isNone(token) || isToken(Redacted.value(token.value))
      ? Either.right(token)
      : Either.left(invalid("ADMIN_API_TOKEN", `expected ${tokenForm}`))
  )
)

// The messages name a pair by its place, since the pair holds a secret.
const callerKey = (pair: string, index: number): Either.Either<CallerKey, ConfigError.ConfigError> => {
  const colon = pair.indexOf(":")
  const userId = pair.slice(0, colon)
  const key = pair.slice(colon + 1)
  return colon > 0 && Schema.is(UserId)(userId) && isToken(key)
    ? Either.right({ userId, key: Redacted.make(key) })
    : Either.left(
        invalid(
          "SANDBOX_API_KEYS",
          `expected user:key pairs separated by commas, each key of ${tokenForm}; pair ${index + 1} is not one`
        )
      )
}

const withoutSharedKeys = (keys: ReadonlyArray<CallerKey>) =>
  new Set(keys.map(({ key }) => Redacted.value(key))).size === keys.length
    ? Either.right(keys)
    : Either.left(invalid("SANDBOX_API_KEYS", "expected a key of its own for each pair"))

const callerKeys: Config.Config<ReadonlyArray<CallerKey>> = text("SANDBOX_API_KEYS").pipe(
  Config.mapOrFail(
    Option.match({
      onNone: () => Either.right([]),
      onSome: (value) =>
        Either.all(value.split(",").map((pair, index) => callerKey(pair.trim(), index))).pipe(
          Either.flatMap(withoutSharedKeys)
        )
    })
  )
)

const instance = parsed<Option.Option<string>>(
  "SANDBOX_INSTANCE",
  Option.none(),
  (value) => (/^[A-Za-z0-9_.:-]{1,128}$/.test(value) ? Option.some(Option.some(value)) : Option.none()),
  "1 to 128 letters, digits, _ . : or -"
)

/** Whether only this machine can reach a host. */
export const isLoopback = (host: string) =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))

const fromEnv = Config.all({ port, host, backend, adminToken, callerKeys, instance }).pipe(
  Config.mapOrFail((settings) =>
    settings.callerKeys.length > 0 || isLoopback(settings.host)
      ? Either.right(settings)
      : Either.left(
          invalid(
            "HOST",
            `'${settings.host}' can be reached from other machines, where anybody could run code: set SANDBOX_API_KEYS to user:key pairs, or listen on 127.0.0.1`
          )
        )
  )
)

const randomToken = Effect.sync(() => Redacted.make(randomBytes(24).toString("base64url")))

/** How this server is set up. */
export class ServerConfig extends Context.Tag("@bulkhead/server/ServerConfig")<
  ServerConfig,
  ServerSettings
>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<ServerConfig, ConfigError.ConfigError> = Layer.effect(
    ServerConfig,
    Effect.gen(function* () {
      const { adminToken, instance, ...settings } = yield* fromEnv
      return {
        ...settings,
        instance: Option.getOrElse(instance, () => `${hostname()}:${settings.port || randomUUID()}`),
        adminToken: Option.isSome(adminToken) ? adminToken.value : yield* randomToken,
        adminTokenIsRandom: Option.isNone(adminToken)
      }
    })
  )
}
