import {
  type SigningSecret,
  type UserId,
  usualPage,
  type Webhook,
  type WebhookDelivery,
  type WebhookMessageState
} from "@bulkhead/domain"
import { Effect, Encoding, Option, Order } from "effect"
import * as Announcement from "./Announcement.js"
import { type DueQuery, mostFailed, mostPending, Outbox, type OutgoingMessage } from "./Outbox.js"
import { UserWebhooks } from "./UserWebhooks.js"

interface Kept extends Omit<OutgoingMessage, "attempts" | "since" | "body"> {
  /** Counts up, so that the newest is the last. */
  readonly place: number
  readonly createdAt: number
  state: WebhookMessageState | "refused"
  body: string
  attempts: number
  since: number
  nextAt: number
  settledAt?: number
  outcome?: string
}

const outgoing = (kept: Kept): OutgoingMessage => {
  const { attempts, body, event, executionId, messageId, receiver, since, url, userId } = kept
  return { messageId, executionId, userId, event, url, receiver, body, attempts, since }
}

const delivery = (kept: Kept): WebhookDelivery => {
  const { attempts, createdAt, event, executionId, messageId, nextAt, outcome, settledAt, url, userId } = kept
  const state = kept.state === "refused" ? "failed" : kept.state
  return {
    messageId,
    executionId,
    userId,
    event,
    url,
    state,
    attempts,
    createdAt,
    ...(state === "pending" ? { nextAt } : {}),
    ...(settledAt === undefined ? {} : { settledAt }),
    ...(outcome === undefined ? {} : { outcome })
  }
}

const byTime = Order.combine(
  Order.mapInput(Order.number, ({ nextAt }: Kept) => nextAt),
  Order.mapInput(Order.number, ({ place }: Kept) => place)
)

/** The first of everybody's, then the second of everybody's, and so on. */
const inTurns = (messages: ReadonlyArray<Kept>, { each, limit }: DueQuery) => {
  const lanes = new Map<string, number>()
  const turns = messages.toSorted(byTime).map((message) => {
    const lane = `${message.userId} ${message.receiver}`
    const turn = lanes.get(lane) ?? 0
    lanes.set(lane, turn + 1)
    return { message, turn }
  })
  return turns
    .filter(({ turn }) => turn < each)
    .toSorted((a, b) => a.turn - b.turn)
    .slice(0, limit)
    .map(({ message }) => message)
}

/** The messages of an `ExecutionStore` in memory, gone with the process. */
export const make = Effect.map(Effect.makeLatch(), (anArrival) => {
  const messages = new Map<string, Kept>()
  const standing = new Map<UserId, ReadonlyArray<Webhook>>()
  const secrets = new Map<UserId, SigningSecret>()
  let place = 0

  const count = (userId: UserId, state: Kept["state"]) =>
    [...messages.values()].filter((kept) => kept.userId === userId && kept.state === state).length

  const add = (execution: Announcement.Announced, announcement: Announcement.Announcement, url: string) => {
    const { at, event, executionId } = announcement
    const messageId = Announcement.messageIdOf(announcement, url)
    if (messages.has(messageId)) return
    const { userId } = execution
    const isRefused = count(userId, "pending") >= mostPending
    messages.set(messageId, {
      messageId,
      executionId,
      userId,
      event,
      url,
      receiver: new URL(url).host,
      state: isRefused ? "refused" : "pending",
      body: Announcement.bodyOf(execution, announcement),
      attempts: 0,
      place: place++,
      createdAt: at,
      since: at,
      nextAt: at
    })
  }

  /** Writes the messages of what happened: to the execution's own webhook, and to its user's standing ones. */
  const announce = (
    execution: Announcement.Announced,
    own: Webhook | undefined,
    announcement: Announcement.Announcement
  ) => {
    const webhooks = [...(own === undefined ? [] : [own]), ...(standing.get(execution.userId) ?? [])]
    const wanting = webhooks.filter(({ events }) => events.includes(announcement.event))
    for (const { url } of wanting) add(execution, announcement, url)
    return wanting.length > 0 ? anArrival.open : Effect.void
  }

  /** Beyond the latest, settled messages are forgotten. */
  const forgetOldest = (userId: UserId, state: WebhookMessageState) => {
    const settled = [...messages.values()].filter((kept) => kept.userId === userId && kept.state === state)
    for (const { messageId } of settled.slice(0, Math.max(0, settled.length - mostFailed)))
      messages.delete(messageId)
  }

  const outbox = Outbox.of({
    arrived: Effect.zipRight(anArrival.await, anArrival.close),
    due: (query) =>
      Effect.sync(() => {
        const waiting = [...messages.values()].filter(
          ({ messageId, nextAt, receiver, state, userId }) =>
            state === "pending" &&
            nextAt <= query.now &&
            !query.except.includes(messageId) &&
            !query.busyUsers.includes(userId) &&
            !query.busyReceivers.includes(receiver)
        )
        return inTurns(waiting, query).map(outgoing)
      }),
    refused: (limit) =>
      Effect.sync(() =>
        [...messages.values()]
          .filter(({ state }) => state === "refused")
          .slice(0, limit)
          .map(outgoing)
      ),
    settle: ({ at, attempts, messageId, nextAt, state, words }) =>
      Effect.sync(() => {
        const kept = messages.get(messageId)
        if (kept?.state !== "pending" && kept?.state !== "refused") return
        Object.assign(kept, { state, attempts, outcome: words, nextAt: nextAt ?? kept.nextAt })
        if (state === "pending") return
        kept.settledAt = at
        if (state === "delivered") kept.body = ""
        forgetOldest(kept.userId, state)
      }),
    adopt: Effect.succeed(0),
    counts: Effect.sync(() => {
      const counts = { pending: 0, failed: 0, delivered: 0 }
      for (const { state } of messages.values()) counts[state === "refused" ? "failed" : state]++
      return counts
    }),
    list: ({ cursor, limit = usualPage, state, userId }) =>
      Effect.sync(() => {
        const after =
          cursor === undefined
            ? Number.POSITIVE_INFINITY
            : Number(Option.getOrUndefined(Option.getRight(Encoding.decodeBase64UrlString(cursor))) || "x")
        const found = [...messages.values()]
          .filter((kept) => kept.place < after && (userId === undefined || kept.userId === userId))
          .filter((kept) => state === undefined || delivery(kept).state === state)
          .reverse()
        const shown = found.slice(0, limit)
        const last = shown.at(-1)
        const items = shown.map(delivery)
        return found.length > limit && last !== undefined
          ? { items, nextCursor: Encoding.encodeBase64Url(String(last.place)) }
          : { items }
      }),
    resend: (messageId, now) =>
      Effect.suspend(() => {
        const kept = messages.get(messageId)
        if (kept?.state !== "failed") return Effect.succeed(false)
        Object.assign(kept, { state: "pending", attempts: 0, since: now, nextAt: now })
        delete kept.settledAt
        return Effect.as(anArrival.open, true)
      })
  })

  const userWebhooks = UserWebhooks.of({
    standing: (userId) => Effect.sync(() => standing.get(userId) ?? []),
    setStanding: (userId, webhooks) =>
      Effect.sync(() => {
        if (webhooks.length === 0) standing.delete(userId)
        else standing.set(userId, webhooks)
      }),
    secret: (userId, fresh) =>
      Effect.sync(() => {
        const known = secrets.get(userId) ?? { secret: fresh }
        secrets.set(userId, known)
        return known
      }),
    rotate: (userId, fresh, previousUntil) =>
      Effect.sync(() => {
        const before = secrets.get(userId)
        const now = {
          secret: fresh,
          ...(before === undefined ? {} : { previous: before.secret, previousUntil })
        }
        secrets.set(userId, now)
        return now
      })
  })

  return { announce, outbox, userWebhooks }
})
