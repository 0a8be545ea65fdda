import { type ConfigError, Context, Effect, Layer, type Option, type Redacted } from "effect"
import { variables } from "./Variables.js"

export interface McpSettings {
  /** The server that MCP over stdio speaks to; none: programs run in its own process. */
  readonly url: Option.Option<string>
  /** The caller's key for it. */
  readonly key: Option.Option<Redacted.Redacted>
}

/** Where MCP over stdio runs programs. */
export class McpConfig extends Context.Tag("@bulkhead/server/McpConfig")<McpConfig, McpSettings>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<McpConfig, ConfigError.ConfigError> = Layer.effect(
    McpConfig,
    Effect.all({ url: variables.mcpUrl.config, key: variables.mcpKey.config })
  )
}
