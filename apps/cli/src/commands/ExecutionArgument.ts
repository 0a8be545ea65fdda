import { Args, HelpDoc } from "@effect/cli"
import { Effect } from "effect"

const absent = HelpDoc.p("ID: expected the id of an execution, got an empty text")

/** The execution that a command is about. An empty id, as of a variable that is not set, would name another route. */
export const executionId = Args.text({ name: "ID" }).pipe(
  Args.withDescription("The execution."),
  Args.mapEffect((id) => (id === "" ? Effect.fail(absent) : Effect.succeed(id)))
)
