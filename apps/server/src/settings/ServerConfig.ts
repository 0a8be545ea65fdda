import { randomBytes } from "node:crypto"
import { isIP } from "node:net"
import type { ImageName } from "@bulkhead/domain"
import { AdminToken, Authentication, type CallerKey, CallerKeys } from "@bulkhead/http"
import { Config, ConfigError, Context, Effect, Either, Equal, Layer, Option, Redacted } from "effect"
import * as BackendChoice from "./BackendChoice.js"
import { variables } from "./Variables.js"

export interface ServerSettings {
  /** TCP port; 0 takes a free one. */
  readonly port: number
  /** Address or name to listen on. */
  readonly host: string
  /** None: as many as the descriptors of the process allow. */
  readonly maxConnections: Option.Option<number>
  /** Seconds that a request may take to arrive whole. */
  readonly requestTimeout: number
  readonly backend: BackendChoice.BackendChoice
  /** The images that requests may choose, and where the backend finds each. */
  readonly images: ReadonlyMap<ImageName, string>
  /** Where the embedded host looks for NVIDIA's driver. */
  readonly nvidiaRoot: string
  /** The name of this server among those that share an E2B account or a database; none: as the data directory has it. */
  readonly instance: Option.Option<string>
  /** Opens the admin routes. */
  readonly adminToken: Redacted.Redacted
  /** Whether nobody chose the admin token, so that it has to be printed. */
  readonly adminTokenIsRandom: boolean
  /** Empty: everybody on this machine may run code, under any user's name. */
  readonly callerKeys: ReadonlyArray<CallerKey>
}

interface SecretSettings {
  readonly adminToken: Option.Option<Redacted.Redacted>
  readonly callerKeys: ReadonlyArray<CallerKey>
}

/** Whether only this machine can reach a host. */
const isLoopback = (host: string) =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))

const openToOthers = (host: string) =>
  ConfigError.InvalidData(
    ["HOST"],
    `'${host}' can be reached from other machines, where anybody could run code: ` +
      "set SANDBOX_API_KEYS to user:key pairs, or listen on 127.0.0.1"
  )

const isCallersKey = ({ adminToken, callerKeys }: SecretSettings) =>
  Option.exists(adminToken, (token) => callerKeys.some(({ key }) => Equal.equals(key, token)))

const callerIsAdmin = ConfigError.InvalidData(
  ["ADMIN_API_TOKEN"],
  "is also the key of a caller in SANDBOX_API_KEYS, who would be an admin; give them different ones"
)

const fromEnv = Config.all({
  port: variables.port.config,
  host: variables.host.config,
  maxConnections: variables.maxConnections.config,
  requestTimeout: variables.requestTimeout.config,
  backend: BackendChoice.config,
  images: Config.map(
    variables.images.config,
    Option.getOrElse(() => new Map())
  ),
  nvidiaRoot: variables.nvidiaRoot.config,
  instance: variables.instance.config,
  adminToken: variables.adminToken.config,
  callerKeys: Config.map(
    variables.callerKeys.config,
    Option.getOrElse(() => [])
  )
}).pipe(
  Config.mapOrFail((settings) =>
    settings.callerKeys.length > 0 || isLoopback(settings.host)
      ? Either.right(settings)
      : Either.left(openToOthers(settings.host))
  ),
  Config.mapOrFail((settings) =>
    isCallersKey(settings) ? Either.left(callerIsAdmin) : Either.right(settings)
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
      const { adminToken, ...others } = yield* fromEnv
      return {
        ...others,
        adminToken: yield* Effect.orElse(adminToken, () => randomToken),
        adminTokenIsRandom: Option.isNone(adminToken)
      }
    })
  )

  /** Who may do what, by the secrets among the settings. */
  static readonly authentication = Layer.unwrapEffect(
    Effect.map(ServerConfig, ({ adminToken, callerKeys }) =>
      (callerKeys.length === 0
        ? Authentication.layerThisMachine
        : Layer.provide(Authentication.layer, CallerKeys.layer(callerKeys))
      ).pipe(Layer.provide(AdminToken.layer(adminToken)))
    )
  )
}
