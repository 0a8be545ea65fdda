import { type Rule, RuledCodeAnalyzer, RuleFile } from "@bulkhead/analysis"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { ConfigError, Effect, Layer, Option } from "effect"
import { AnalysisConfig } from "./settings/AnalysisConfig.js"
import { variables } from "./settings/Variables.js"

const wrong = (what: string) => ConfigError.InvalidData([variables.codeAnalysisRules.name], what)

const rulesIn = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(files.readFileString(path), ({ message }) =>
    wrong(`expected a file that can be read, ${message}`)
  )
  return yield* Effect.mapError(RuleFile.parse(text), (flaw) =>
    wrong(`expected a list of rules as code-analysis.md has them, in ${path}: ${flaw}`)
  )
})

const noRules: ReadonlyArray<Rule> = []

/** What looks at code before it runs, as the settings say. Rules that cannot be read are a `ConfigError`. */
export const layer = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { mode, rules: file, unsure } = yield* AnalysisConfig
    const rules = Option.isSome(file) ? yield* rulesIn(file.value) : noRules
    return mode === "off" ? Layer.empty : RuledCodeAnalyzer.layer({ mode, unsure, rules })
  })
).pipe(Layer.provide(NodeFileSystem.layer))
