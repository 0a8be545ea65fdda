export { ownRules } from "./OwnRules.js"
export type { Pattern, Rule } from "./Rule.js"
export * as RuledCodeAnalyzer from "./RuledCodeAnalyzer.js"
export * as RuleFile from "./RuleFile.js"
