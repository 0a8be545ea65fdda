import { WebhookMessageNotFound, WebhookRefused } from "@bulkhead/domain"
import { NameResolver } from "@bulkhead/egress"
import {
  ExecutionStore,
  Instruments,
  mostPending,
  Outbox,
  type Outcome,
  type OutgoingMessage,
  UserWebhooks,
  Webhooks
} from "@bulkhead/sandbox"
import { Clock, Duration, Effect, FiberSet, Layer, Metric, Schedule } from "effect"
import * as Delivery from "./Delivery.js"
import * as Receiver from "./Receiver.js"
import * as Signing from "./Signing.js"
import { flawOf } from "./Target.js"

export interface WebhookSenderOptions extends Delivery.DeliveryOptions, Receiver.ReceiverOptions {
  /** Tries at once. Default 32. */
  readonly concurrency?: number
  /** Of them, those for one user's messages at most. Default 8. */
  readonly eachUser?: number
  /** And those to one receiver, a host with its port. Default 4. */
  readonly eachReceiver?: number
}

/** How often it is looked for what is due again, and for what others have left behind. */
const interval = "1 second"
const upkeepInterval = "5 seconds"

/** The store is waited for, since a message that is forgotten to be delivered would be sent at once again. */
const untilWritten = Schedule.spaced("1 second")

const hour = 3_600_000

const attemptTime = Instruments.labelled(
  Instruments.seconds(
    "bulkhead_webhook_attempt_seconds",
    "Tries to deliver a message: `delivered`, `pending` when it is tried again, `failed` when it is given up."
  ),
  ["outcome"]
)

const endOf = ({ state, words }: Outcome) =>
  state === "delivered"
    ? ({
        level: "info",
        event: "webhook_delivered",
        message: `A message to a webhook was delivered: ${words}`
      } as const)
    : ({
        level: "warn",
        event: "webhook_failed",
        message: `A message to a webhook was given up: ${words}`
      } as const)

const make = Effect.fnUntraced(function* (options: WebhookSenderOptions) {
  const { concurrency = 32, eachReceiver = 4, eachUser = 8, networks = [] } = options
  const outbox = yield* Outbox
  const store = yield* ExecutionStore
  const users = yield* UserWebhooks
  const receiver = yield* Receiver.Receiver
  const tries = yield* FiberSet.make<void>()
  const underWay = new Map<string, OutgoingMessage>()
  const awake = yield* Effect.makeLatch()

  const countBy = <A>(key: (message: OutgoingMessage) => A) => {
    const counts = new Map<A, number>()
    for (const message of underWay.values()) counts.set(key(message), (counts.get(key(message)) ?? 0) + 1)
    return counts
  }
  const fullOf = <A>(counts: ReadonlyMap<A, number>, most: number) =>
    [...counts].filter(([, count]) => count >= most).map(([key]) => key)
  const busyUsers = () =>
    fullOf(
      countBy(({ userId }) => userId),
      eachUser
    )
  const busyReceivers = () =>
    fullOf(
      countBy(({ receiver }) => receiver),
      eachReceiver
    )

  /** One event for each message that needs no more tries: it was delivered, or it will not be. */
  const audit = ({ event, executionId, messageId, receiver, userId }: OutgoingMessage, outcome: Outcome) =>
    store.append([
      {
        _tag: "Happened",
        event: {
          timestamp: outcome.at,
          executionId,
          userId,
          ...endOf(outcome),
          data: { messageId, event, receiver, attempts: outcome.attempts }
        }
      }
    ])

  const settle = (message: OutgoingMessage, outcome: Outcome) =>
    Effect.zipRight(
      outcome.state === "pending" ? Effect.void : audit(message, outcome),
      Effect.retry(outbox.settle(outcome), untilWritten)
    )

  const secretOf: Webhooks["Type"]["secret"] = (userId) =>
    Effect.flatMap(Signing.newSecret, (fresh) => users.secret(userId, fresh))

  const deliver = Effect.fnUntraced(
    function* (message: OutgoingMessage) {
      const secret = yield* Effect.retry(secretOf(message.userId), untilWritten)
      const [time, outcome] = yield* Effect.timed(Delivery.attempt(message, secret, options))
      yield* Metric.update(attemptTime({ outcome: outcome.state }), Duration.toSeconds(time))
      yield* settle(message, outcome)
    },
    Effect.provideService(Receiver.Receiver, receiver)
  )

  const start = (message: OutgoingMessage) =>
    Effect.suspend(() => {
      if (busyUsers().includes(message.userId) || busyReceivers().includes(message.receiver))
        return Effect.void
      underWay.set(message.messageId, message)
      const end = Effect.suspend(() => {
        underWay.delete(message.messageId)
        return awake.open
      })
      return Effect.asVoid(FiberSet.run(tries, Effect.ensuring(deliver(message), end)))
    })

  const startDue = Effect.gen(function* () {
    const limit = concurrency - underWay.size
    if (limit <= 0) return
    const due = yield* outbox.due({
      now: yield* Clock.currentTimeMillis,
      limit,
      each: eachReceiver,
      except: [...underWay.keys()],
      busyUsers: busyUsers(),
      busyReceivers: busyReceivers()
    })
    yield* Effect.forEach(due, start, { discard: true })
  })

  const words = `the user has ${mostPending} that wait`

  const upkeep = Effect.gen(function* () {
    yield* outbox.adopt
    const at = yield* Clock.currentTimeMillis
    for (const message of yield* outbox.refused(100))
      yield* settle(message, { messageId: message.messageId, state: "failed", attempts: 0, at, words })
  })

  /** What cannot be read now is tried again, and the store itself says why it cannot. */
  const inBackground = (effect: Effect.Effect<unknown, unknown>) =>
    effect.pipe(
      Effect.catchAllCause((cause) => Effect.logDebug("Messages cannot be sent at present", cause)),
      Effect.forever,
      Effect.interruptible,
      Effect.forkScoped
    )

  yield* inBackground(Effect.zipRight(outbox.arrived, awake.open))
  yield* inBackground(Effect.zipRight(Effect.ignoreLogged(upkeep), Effect.sleep(upkeepInterval)))
  yield* inBackground(
    awake.await.pipe(Effect.timeoutOption(interval), Effect.zipRight(awake.close), Effect.zipRight(startDue))
  )

  return Webhooks.of({
    areSent: true,
    flawOf: (url) => flawOf(url, networks),
    metrics: outbox.counts,
    standing: users.standing,
    setStanding: Effect.fn("Webhooks.setStanding")(function* (userId, webhooks) {
      for (const [index, { url }] of webhooks.entries()) {
        const flaw = flawOf(url, networks)
        if (flaw !== undefined) return yield* new WebhookRefused({ message: `webhooks.${index}: ${flaw}` })
      }
      yield* users.setStanding(userId, webhooks)
    }),
    secret: secretOf,
    rotateSecret: Effect.fn("Webhooks.rotateSecret")(function* (userId, overlapHours) {
      const now = yield* Clock.currentTimeMillis
      return yield* users.rotate(userId, yield* Signing.newSecret, now + overlapHours * hour)
    }),
    messages: outbox.list,
    resend: Effect.fn("Webhooks.resend")(function* (messageId) {
      const isFound = yield* outbox.resend(messageId, yield* Clock.currentTimeMillis)
      if (!isFound) return yield* new WebhookMessageNotFound({ messageId: messageId.slice(0, 64) })
    })
  })
})

/** Sends what the outbox has to whatever receivers are provided. */
export const layerTo = (
  options: WebhookSenderOptions = {}
): Layer.Layer<Webhooks, never, Outbox | UserWebhooks | ExecutionStore | Receiver.Receiver> =>
  Layer.scoped(Webhooks, make(options))

/**
 * Sends what the outbox has, as long as its scope is open. A message is tried again, with growing pauses, until its
 * receiver answers with a status of 2xx, or `patience` is over. Every message has its own connection, and never one to
 * an address inside, unless that is in `networks`.
 */
export const layer = (
  options: WebhookSenderOptions = {}
): Layer.Layer<Webhooks, never, Outbox | UserWebhooks | ExecutionStore> =>
  layerTo(options).pipe(Layer.provide(Receiver.layer(options)), Layer.provide(NameResolver.layer))
