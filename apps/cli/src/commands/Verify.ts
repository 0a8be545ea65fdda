import { type AuditVerification, Harmless } from "@bulkhead/domain"
import { Command } from "@effect/cli"
import { Effect } from "effect"
import { Ended, ofOperator } from "../Failure.js"
import * as Connection from "../server/Connection.js"
import { print } from "../terminal/Output.js"
import * as Table from "../terminal/Table.js"
import { json } from "./Json.js"

const options = { json, ...Connection.options }

type Given = Command.Command.ParseConfig<typeof options>

/** The log is not as it was written. */
const broken = 1

const lines = ({ broken, chains, checked, intact }: AuditVerification) => [
  broken === undefined
    ? `${intact ? "intact" : "not intact"}: ${checked} events`
    : `broken: event ${broken.sequence} of ${Harmless.line(broken.instance)} is ${broken.kind}`,
  ...Table.lines(
    ["SERVER", "EVENTS", "INTACT", "HASH OF THE LAST"],
    chains.map((chain) => [
      chain.instance,
      String(chain.checked),
      chain.intact ? "yes" : "no",
      chain.head ?? ""
    ])
  )
]

/** A walk along a long log takes longer than other requests may. */
const verify = Effect.fn("Verify.verify")(function* (given: Given) {
  const { client, url } = yield* Connection.make(given)
  const found = yield* Effect.mapError(client.admin.verifyAudit(), ofOperator(url))
  yield* Effect.forEach(given.json ? [Harmless.json(found)] : lines(found), print, { discard: true })
  if (!found.intact) return yield* new Ended({ code: broken })
})

export const command = Command.make("verify", options, verify).pipe(
  Command.withDescription(
    "Checks that the log of what happened is as it was written; ends with 1 if not. For the operator."
  )
)
