import { NetworkMode, type NetworkPolicy } from "@bulkhead/domain"
import { networkControls } from "@bulkhead/e2b"
import { NetworkBound, type NetworkControl } from "@bulkhead/sandbox"
import { Config, ConfigError, Effect, Either, Equal, Option } from "effect"
import * as Environment from "./Environment.js"
import { SetUpFailure } from "./SetUpFailure.js"

/** What programs may have of the network, and what their sandboxes can be held to. */
export interface NetworkSettings {
  readonly bound: NetworkPolicy
  readonly control: NetworkControl
}

const variable = <A>(name: string, takes: string, parse: (text: string) => Either.Either<A, string>) =>
  Config.string(name).pipe(
    Config.mapOrFail((text) =>
      text.trim() === ""
        ? Either.left(ConfigError.MissingData([], `expected ${takes}`))
        : Either.mapLeft(parse(text.trim()), (got) =>
            ConfigError.InvalidData([], `expected ${takes}, ${got}`)
          )
    ),
    Config.option
  )

const parseMode = (text: string) =>
  Either.fromNullable(
    NetworkMode.literals.find((mode) => mode === text),
    () => `got '${text.slice(0, 80)}'`
  )

const modeName = "SANDBOX_NETWORK"
const allowName = "SANDBOX_NETWORK_ALLOW"

const variables = Config.all({
  backend: Config.option(Config.string("SANDBOX_BACKEND")),
  mode: variable(modeName, "'off', 'filtered' or 'open'", parseMode),
  allow: variable(allowName, NetworkBound.takesTargets, NetworkBound.parseTargets),
  deny: variable("SANDBOX_NETWORK_DENY", NetworkBound.takesTargets, NetworkBound.parseTargets)
})

const isSaid = ({ allow, deny, mode }: NetworkBound.NetworkSetting) =>
  Option.isSome(mode) || Option.isSome(allow) || Option.isSome(deny)

const wrong = (name: string, what: string) => Either.left(ConfigError.InvalidData([name], what))

const settings = Config.mapOrFail(
  variables,
  ({ backend, ...said }): Either.Either<Option.Option<NetworkSettings>, ConfigError.ConfigError> => {
    if (!isSaid(said)) return Either.right(Option.none())
    const control = networkControls[Option.contains(backend, "embedded") ? "embedded" : "e2b"]
    const bound = NetworkBound.boundOf(said, control.defaultMode)
    const flawOfAllow = NetworkBound.flawOfAllow(bound, modeName)
    if (flawOfAllow !== undefined) return wrong(allowName, flawOfAllow)
    const flaw = control.flawOf(bound)
    return flaw === undefined ? Either.right(Option.some({ bound, control })) : wrong(modeName, flaw)
  }
)

/** What the variables say of the network. None: nothing, and programs have what their sandboxes give them. */
export const read = (
  env: Environment.Environment | undefined
): Effect.Effect<Option.Option<NetworkSettings>, SetUpFailure> => Environment.read(settings, env)

const textOf = Option.map(({ bound }: NetworkSettings) => JSON.stringify(bound))

/** Refuses variables that say something else than what is in force. Who says nothing takes that. */
export const checkSame = Effect.fnUntraced(function* (
  inForce: Option.Option<NetworkSettings>,
  env: Environment.Environment
) {
  const wanted = yield* read(env)
  if (Option.isNone(wanted) || Equal.equals(textOf(wanted), textOf(inForce))) return
  return yield* new SetUpFailure({
    message: `${modeName}: expected what the first call had; for another network make another SandboxHardeningManager`
  })
})
