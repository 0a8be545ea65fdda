import { Config, type ConfigError, Context, Layer, type Option } from "effect"
import { variables } from "./Variables.js"

/** Whether and how the server looks at code before it runs. */
export interface AnalysisSettings {
  readonly mode: "off" | "report" | "enforce"
  /** What becomes of code that could not be analysed, where rules are enforced. */
  readonly unsure: "run" | "refuse"
  /** A file of further rules. */
  readonly rules: Option.Option<string>
}

/** How this server looks at code. */
export class AnalysisConfig extends Context.Tag("@bulkhead/server/AnalysisConfig")<
  AnalysisConfig,
  AnalysisSettings
>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<AnalysisConfig, ConfigError.ConfigError> = Layer.effect(
    AnalysisConfig,
    Config.all({
      mode: variables.codeAnalysis.config,
      unsure: variables.codeAnalysisUnsure.config,
      rules: variables.codeAnalysisRules.config
    })
  )
}
