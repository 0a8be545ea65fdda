import { WebhookEvent } from "@bulkhead/domain"
import { type Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { Failure } from "../Failure.js"
import { text } from "./TextOption.js"

/** Who is told of the execution. */
export const options = {
  webhook: text("webhook", "URL", "Who is told by a message when it has ended.").pipe(Options.optional),
  webhookEvent: Options.choice("webhook-event", WebhookEvent.literals).pipe(
    Options.withDescription("With --webhook: what is told of; execution.completed unless told."),
    Options.repeated
  )
}

/** The request's `webhook`; none where nobody is to be told. */
export const of = ({ webhook, webhookEvent }: Command.Command.ParseConfig<typeof options>) => {
  if (Option.isNone(webhook) && webhookEvent.length > 0)
    return new Failure({ message: "--webhook-event: say by --webhook which URL is told" })
  return Effect.succeed(
    Option.map(webhook, (url) => (webhookEvent.length === 0 ? { url } : { url, events: webhookEvent }))
  )
}
