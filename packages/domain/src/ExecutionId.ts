import { Schema } from "effect"

/**
 * Names one execution. Ours begin with `exec_`; manual tracking may bring its own: 1 to 69 letters, digits, `_` or `-`.
 */
export const ExecutionId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9_-]{1,69}$/, {
    message: () => "expected 1 to 69 letters, digits, _ or -",
    description: "Names one execution: 1 to 69 letters, digits, _ or -."
  }),
  Schema.brand("ExecutionId")
)
export type ExecutionId = typeof ExecutionId.Type
