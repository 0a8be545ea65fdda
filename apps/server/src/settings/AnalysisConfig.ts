import { Config, ConfigError, Context, Either, Layer, Option } from "effect"
import { variables } from "./Variables.js"

/** Whether and how the server looks at code before it runs. */
export interface AnalysisSettings {
  readonly mode: "off" | "report" | "enforce"
  /** What becomes of code that could not be analysed, where rules are enforced. */
  readonly unsure: "run" | "refuse"
  /** A file of further rules. */
  readonly rules: Option.Option<string>
}

const { codeAnalysis, codeAnalysisRules, codeAnalysisUnsure } = variables

const wrong = (name: string, message: string) => Either.left(ConfigError.InvalidData([name], message))

/** What nobody would enforce must not look as if somebody did. */
const checked = (settings: AnalysisSettings): Either.Either<AnalysisSettings, ConfigError.ConfigError> => {
  const { mode, rules, unsure } = settings
  if (mode === "off" && Option.isSome(rules))
    return wrong(codeAnalysisRules.name, `expected none, since ${codeAnalysis.name} is 'off'`)
  if (mode !== "enforce" && unsure === "refuse")
    return wrong(codeAnalysisUnsure.name, `expected 'run', since ${codeAnalysis.name} is '${mode}'`)
  return Either.right(settings)
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
      mode: codeAnalysis.config,
      unsure: codeAnalysisUnsure.config,
      rules: codeAnalysisRules.config
    }).pipe(Config.mapOrFail(checked))
  )
}
