import { ExecutionRecord, ExecutionState, ExecutionSummary, UserId, Verdict } from "@bulkhead/domain"
import { Schema } from "effect"
import { pathText } from "./PathText.js"
import { oneOf, pageParameters, query, spanParameters } from "./QueryParameters.js"

/** It was done. */
export const done = Schema.Literal(true).annotations({ description: "That it was done." })

export const Killed = Schema.Struct({ success: done }).annotations({
  identifier: "Killed",
  description: "The end of the execution is under way"
})

export const nextCursor = Schema.optionalWith(
  Schema.String.annotations({
    description: "Asks for the rows after these, as `cursor`. Absent: there are none."
  }),
  { exact: true }
)

export const ExecutionList = Schema.Struct({
  executions: Schema.Array(ExecutionSummary.annotations({ identifier: "ExecutionSummary" })).annotations({
    description: "A page of them, or all that wait or run."
  }),
  nextCursor
}).annotations({ identifier: "ExecutionList", description: "Newest first" })

export const ExecutionBody = ExecutionRecord.annotations({
  identifier: "ExecutionRecord",
  description: "With the result, as long as it is kept"
})

// Not `ExecutionId`: an id that cannot exist is unknown, not malformed.
export const anExecution = Schema.Struct({
  executionId: pathText({
    description: "As the execution's result or a list names it.",
    examples: ["exec_mfq3k2v1x0a9b8c7d6"]
  })
})

/** Which executions a list has. */
export const executionFilter = query({
  userId: Schema.optionalWith(
    UserId.annotations({ description: "Whose: 1 to 128 letters, digits or _ . @ : + = , -." }),
    { exact: true }
  ),
  state: oneOf(ExecutionState, "Only executions that are as far as this."),
  verdict: oneOf(Verdict, "Only executions that ended like this."),
  ...spanParameters,
  ...pageParameters
})

/** Why an execution is ended, for its log and its result. */
export const KillReason = Schema.Struct({
  /** 1 to 200 characters; `admin_request` unless told, or `user_request` where its user asks. */
  reason: Schema.optionalWith(
    Schema.String.pipe(
      Schema.filter((reason) => reason.length > 0 && reason.length <= 200 && !/\p{Cc}/u.test(reason), {
        message: () => "expected 1 to 200 characters without control characters",
        description: "Why, in 1 to 200 characters without control characters, for the log and the result.",
        examples: ["costs too much"],
        jsonSchema: { minLength: 1, maxLength: 200 }
      })
    ),
    { nullable: true }
  )
}).annotations({ identifier: "KillReason" })
