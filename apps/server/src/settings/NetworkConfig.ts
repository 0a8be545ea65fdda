import type { NetworkMode, NetworkPolicy, NetworkRequest } from "@bulkhead/domain"
import { networkControls } from "@bulkhead/e2b"
import { NetworkBound, narrow } from "@bulkhead/sandbox"
import { Config, ConfigError, Context, Either, Layer, Option } from "effect"
import * as BackendChoice from "./BackendChoice.js"
import { variables } from "./Variables.js"

/** What holds of the network in the embedded host alone. */
export interface HostNetworkSettings {
  /** Addresses inside that programs may connect to. */
  readonly private: ReadonlyArray<string>
  /** Connections at once of one sandbox. */
  readonly maxConnections: Option.Option<number>
  /** MB of one sandbox, both ways. */
  readonly maxMB: Option.Option<number>
  /** MB in a second of one sandbox, both ways. */
  readonly mbPerSecond: Option.Option<number>
}

/** What programs may have of the network. */
export interface NetworkSettings {
  readonly bound: NetworkPolicy
  readonly ofUsers: ReadonlyMap<string, NetworkRequest>
  readonly host: HostNetworkSettings
}

const wrong = ({ name }: { readonly name: string }, what: string) =>
  Either.left(ConfigError.InvalidData([name], what))

const otherwise: Record<BackendChoice.BackendChoice["_tag"], NetworkMode> = { E2B: "open", Embedded: "off" }

const raw = Config.all({
  backend: BackendChoice.config,
  mode: variables.network.config,
  allow: variables.networkAllow.config,
  deny: variables.networkDeny.config,
  users: variables.userNetwork.config,
  private: variables.networkPrivate.config,
  maxConnections: variables.networkMaxConnections.config,
  maxMB: variables.networkMaxMB.config,
  mbPerSecond: variables.networkMBPerSecond.config
})
type Raw = Config.Config.Success<typeof raw>

const orNone = <A>(list: Option.Option<ReadonlyArray<A>>) =>
  Option.getOrElse(list, (): ReadonlyArray<A> => [])

const checkBound = (bound: NetworkPolicy, { backend }: Raw) => {
  const flawOfAllow = NetworkBound.flawOfAllow(bound, variables.network.name)
  if (flawOfAllow !== undefined) return wrong(variables.networkAllow, flawOfAllow)
  const flaw = backend._tag === "E2B" ? networkControls.e2b.flawOf(bound) : undefined
  return flaw === undefined ? Either.void : wrong(variables.network, flaw)
}

/** What nobody would enforce must not look as if somebody did. */
const checkHost = (settings: Raw) => {
  const { backend, maxConnections, maxMB, mbPerSecond } = settings
  if (backend._tag === "Embedded") return Either.void
  const [unenforced] = [
    ...(Option.isSome(settings.private) ? [variables.networkPrivate] : []),
    ...(Option.isSome(maxConnections) ? [variables.networkMaxConnections] : []),
    ...(Option.isSome(maxMB) ? [variables.networkMaxMB] : []),
    ...(Option.isSome(mbPerSecond) ? [variables.networkMBPerSecond] : [])
  ]
  return unenforced === undefined
    ? Either.void
    : wrong(unenforced, "expected nothing, since only the embedded host can hold sandboxes to it, not E2B")
}

const checkUsers = (bound: NetworkPolicy, users: NetworkSettings["ofUsers"]) => {
  for (const [user, asked] of users) {
    const policy = narrow(bound, asked)
    if (Either.isLeft(policy))
      return wrong(variables.userNetwork, `of '${user}', ${policy.left.field}: ${policy.left.message}`)
  }
  return Either.void
}

const checked = (settings: Raw): Either.Either<NetworkSettings, ConfigError.ConfigError> => {
  const { maxConnections, maxMB, mbPerSecond, users } = settings
  const bound = NetworkBound.boundOf(settings, otherwise[settings.backend._tag])
  const ofUsers = Option.getOrElse(users, () => new Map<string, NetworkRequest>())
  return Either.all([checkBound(bound, settings), checkHost(settings), checkUsers(bound, ofUsers)]).pipe(
    Either.map(() => ({
      bound,
      ofUsers,
      host: { private: orNone(settings.private), maxConnections, maxMB, mbPerSecond }
    }))
  )
}

/** What programs may have of the network here. */
export class NetworkConfig extends Context.Tag("@bulkhead/server/NetworkConfig")<
  NetworkConfig,
  NetworkSettings
>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<NetworkConfig, ConfigError.ConfigError> = Layer.effect(
    NetworkConfig,
    Config.mapOrFail(raw, checked)
  )
}
