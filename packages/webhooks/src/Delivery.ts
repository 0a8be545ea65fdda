import type { SigningSecret } from "@bulkhead/domain"
import type { Outcome, OutgoingMessage } from "@bulkhead/sandbox"
import { Clock, Duration, Effect, Either } from "effect"
import { DeliveryFailure, Receiver } from "./Receiver.js"
import * as RetrySchedule from "./RetrySchedule.js"
import * as Signing from "./Signing.js"

export interface DeliveryOptions {
  /** How long one try may take. Default 15 seconds. */
  readonly timeout?: Duration.DurationInput
  /** How long a message is tried. Default a day. */
  readonly patience?: Duration.DurationInput
}

/** A receiver that says so wants nothing more. */
const gone = 410

const isTaken = (status: number) => status >= 200 && status < 300

const post = Effect.fnUntraced(function* (
  { body, messageId, url }: OutgoingMessage,
  secret: SigningSecret,
  timeout: Duration.Duration
) {
  const receiver = yield* Receiver
  const now = yield* Clock.currentTimeMillis
  const headers = Signing.headersOf(messageId, body, secret, now)
  return yield* Effect.timeoutFail(receiver.post({ url, headers, body }), {
    duration: timeout,
    onTimeout: () => new DeliveryFailure({ message: `no answer within ${Duration.format(timeout)}` })
  })
})

const mistake = (defect: unknown) =>
  Effect.zipRight(
    Effect.logError("A message could not be sent", defect),
    new DeliveryFailure({ message: "a mistake of the sender's own" })
  )

/** Tries once to deliver a message, and says what came of it. */
export const attempt = Effect.fn("Delivery.attempt")(function* (
  message: OutgoingMessage,
  secret: SigningSecret,
  { patience = "1 day", timeout = "15 seconds" }: DeliveryOptions
) {
  const { messageId, since } = message
  const answered = yield* post(message, secret, Duration.decode(timeout)).pipe(
    Effect.catchAllDefect(mistake),
    Effect.either
  )
  const at = yield* Clock.currentTimeMillis
  const attempts = message.attempts + 1
  const words = Either.match(answered, {
    onLeft: ({ message }) => message,
    onRight: (status) => `answered ${status}`
  })
  const status = Either.getOrElse(answered, () => 0)
  const tried = { messageId, attempts, at, words }
  if (isTaken(status)) return { ...tried, state: "delivered" } satisfies Outcome
  const nextAt = at + Math.ceil(yield* RetrySchedule.delayAfter(attempts))
  const isOver = status === gone || nextAt > since + Duration.toMillis(patience)
  return (isOver ? { ...tried, state: "failed" } : { ...tried, state: "pending", nextAt }) satisfies Outcome
})
