import { KillReason } from "@bulkhead/api"
import { Harmless } from "@bulkhead/domain"
import { Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import * as Connection from "../server/Connection.js"
import * as Sendable from "../server/Sendable.js"
import { print } from "../terminal/Output.js"
import { executionId } from "./ExecutionArgument.js"

const options = {
  executionId,
  reason: Options.text("reason").pipe(
    Options.withPseudoName("TEXT"),
    Options.withDescription("Why, in 1 to 200 characters, for its log and its result."),
    Options.optional
  ),
  ...Connection.options
}

type Given = Command.Command.ParseConfig<typeof options>

const kill = Effect.fn("Kill.kill")(function* ({ executionId, reason, ...given }: Given) {
  const payload = Option.isSome(reason) ? { reason: reason.value } : {}
  yield* Sendable.check(KillReason, payload)
  const { ask, client } = yield* Connection.make(given)
  yield* ask(client.executions.kill({ path: { executionId }, payload }))
  yield* print(`${Harmless.line(executionId)}: its end is under way`)
})

export const command = Command.make("kill", options, kill).pipe(
  Command.withDescription("Ends an execution: SIGTERM, the grace, SIGKILL.")
)
