import type { CodeFinding, UserId } from "@bulkhead/domain"
import { Context, Effect } from "effect"

export interface AnalyzedCode {
  readonly code: string
  /** Not every one can be analysed. */
  readonly language: string
  /** Whose it is: they take turns. */
  readonly userId: UserId
}

/** What is known of a program before it runs. */
export interface CodeAnalysis {
  readonly findings: ReadonlyArray<CodeFinding>
  /** Why not all of it is known, in words for the caller. Absent: the whole code was looked at. */
  readonly notAnalysed?: string
  /** Why it must not run, in words for the caller. Absent: it may. */
  readonly refusal?: string
}

/**
 * Looks at programs before they wait for their turn. A filter, never a wall: what it does not know passes.
 * Default: one that is off, and says nothing of any program.
 */
export class CodeAnalyzer extends Context.Reference<CodeAnalyzer>()("@bulkhead/sandbox/CodeAnalyzer", {
  defaultValue: (): {
    /** Bounded in time, the wait for a turn included; what fails is `notAnalysed`. Nothing: it is off. */
    readonly analyze: (code: AnalyzedCode) => Effect.Effect<CodeAnalysis | undefined>
  } => ({ analyze: () => Effect.succeed(undefined) })
}) {}
