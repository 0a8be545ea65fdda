import { ExecutionRecord, ExecutionState, ExecutionSummary, UserId, Verdict } from "@bulkhead/domain"
import { Schema } from "effect"
import { oneOf, pageParameters, query, spanParameters } from "./QueryParameters.js"

export const Killed = Schema.Struct({ success: Schema.Literal(true) }).annotations({
  identifier: "Killed",
  description: "The end of the execution is under way"
})

/** Asks for the rows after these. Absent: there are none. */
export const nextCursor = Schema.optionalWith(Schema.String, { exact: true })

export const ExecutionList = Schema.Struct({
  executions: Schema.Array(ExecutionSummary.annotations({ identifier: "ExecutionSummary" })),
  nextCursor
}).annotations({ identifier: "ExecutionList", description: "Newest first" })

export const ExecutionBody = ExecutionRecord.annotations({
  identifier: "ExecutionRecord",
  description: "With the result, as long as it is kept"
})

// Not `ExecutionId`: an id that cannot exist is unknown, not malformed.
export const anExecution = Schema.Struct({ executionId: Schema.String })

/** Which executions a list has. */
export const executionFilter = query({
  userId: Schema.optionalWith(UserId, { exact: true }),
  state: oneOf(ExecutionState),
  verdict: oneOf(Verdict),
  ...spanParameters,
  ...pageParameters
})

/** Why an execution is ended, for its log and its result. */
export const KillReason = Schema.Struct({
  /** 1 to 200 characters; `admin_request` unless told, or `user_request` where its user asks. */
  reason: Schema.optionalWith(
    Schema.String.pipe(
      Schema.filter((reason) => reason.length > 0 && reason.length <= 200 && !/\p{Cc}/u.test(reason), {
        message: () => "expected 1 to 200 characters without control characters"
      })
    ),
    { nullable: true }
  )
}).annotations({ identifier: "KillReason" })
