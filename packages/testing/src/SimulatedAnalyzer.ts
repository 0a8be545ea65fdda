import type { CodeFinding } from "@bulkhead/domain"
import { type CodeAnalysis, CodeAnalyzer } from "@bulkhead/sandbox"
import { Effect, Layer } from "effect"

const finding: CodeFinding = { rule: "simulated", kind: "simulated", line: 1, message: "is played" }

/** Every seventh program has a finding, and every second of these is refused. */
const analysisOf = (program: number): CodeAnalysis => {
  if (program % 7 !== 0) return { findings: [] }
  return { findings: [finding], ...(program % 14 === 0 && { refusal: "code: refused" }) }
}

/** Looks at programs that are numbers. */
export const layer = Layer.succeed(CodeAnalyzer, {
  analyze: ({ code }) => Effect.succeed(analysisOf(Number(code)))
})
