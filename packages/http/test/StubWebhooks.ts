import { Webhooks } from "@bulkhead/sandbox"
import { type Context, Effect, Layer } from "effect"

type Service = Context.Tag.Service<Webhooks>

const unmeant = () => Effect.dieMessage("this was not meant to be called")

/** A sender of webhooks that does what it is given, and dies on every other call. */
export const layer = (webhooks: Partial<Service>) =>
  Layer.succeed(Webhooks, {
    areSent: true,
    flawOf: () => undefined,
    metrics: unmeant(),
    standing: unmeant,
    setStanding: unmeant,
    secret: unmeant,
    rotateSecret: unmeant,
    messages: unmeant,
    resend: unmeant,
    ...webhooks
  })
