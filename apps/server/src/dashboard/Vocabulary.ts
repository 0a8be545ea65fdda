import {
  ExecutionState,
  fixedLimits,
  LimitsSchema,
  limitMeanings,
  Verdict,
  WebhookMessageState
} from "@bulkhead/domain"
import { Struct } from "effect"

const isFixed = (name: string) => fixedLimits.some((fixed) => fixed === name)

/** The words that the page has to know: as they are in the code, so that it need not carry that code. */
export const vocabulary = {
  states: ExecutionState.literals,
  verdicts: Verdict.literals,
  messageStates: WebhookMessageState.literals,
  limits: Struct.keys(LimitsSchema.fields).map((name) => ({
    name,
    meaning: limitMeanings[name],
    /** Fixed when the server starts. */
    isFixed: isFixed(name)
  }))
}
export type Vocabulary = typeof vocabulary
