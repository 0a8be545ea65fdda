import { Config, type ConfigError, Context, Layer, type Option } from "effect"
import { variables } from "./Variables.js"

/** What the server is told of secrets. */
export interface SecretSettings {
  /** A file of secrets that requests may name. */
  readonly file: Option.Option<string>
  /** A file of certificates, in PEM, that are trusted of hosts beside the usual ones. */
  readonly authorities: Option.Option<string>
}

/** Where this server's secrets are, and whom it trusts when it sends them. */
export class SecretsConfig extends Context.Tag("@bulkhead/server/SecretsConfig")<
  SecretsConfig,
  SecretSettings
>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<SecretsConfig, ConfigError.ConfigError> = Layer.effect(
    SecretsConfig,
    Config.all({ file: variables.secretsFile.config, authorities: variables.networkAuthorities.config })
  )
}
