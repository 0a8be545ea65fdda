import type { Found } from "./Analysis.js"
import type { Rule } from "./Rule.js"
import type { Analysed } from "./Syntax/Facts.js"

/** What a thread is started with. */
export interface ThreadData {
  /** Beside those that come with the package. */
  readonly rules: ReadonlyArray<Rule>
}

export interface Question {
  readonly code: string
  readonly language: Analysed
}

export type Answer =
  | ({ readonly _tag: "Found" } & Found)
  /** The code is beyond what can be analysed. */
  | { readonly _tag: "Beyond" }

/** The threads' program: beside this module, and beside a bundle too. */
export const defaultProgram = new URL("./AnalysisWorker.js", import.meta.url)
