import type {
  ExecutionId,
  Page,
  PageRequest,
  UserId,
  WebhookDelivery,
  WebhookEvent,
  WebhookMessageState,
  WebhookMetrics
} from "@bulkhead/domain"
import { Context, type Effect } from "effect"
import type { StoreFailure } from "../Record/ExecutionStore.js"

/** Messages of one user that wait to be delivered, at most. What comes then is not sent. */
export const mostPending = 1000

/** Failed messages of one user that are kept, at least until they are old: the latest. */
export const mostFailed = 1000

/** A message that is to be sent. */
export interface OutgoingMessage {
  /** The same in every copy. */
  readonly messageId: string
  readonly executionId: ExecutionId
  readonly userId: UserId
  readonly event: WebhookEvent
  readonly url: string
  /** The URL's host and port. */
  readonly receiver: string
  readonly body: string
  /** How often it was tried before. */
  readonly attempts: number
  /** Since when it is tried: milliseconds since the epoch. */
  readonly since: number
}

/** Which messages are to be sent now. */
export interface DueQuery {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Messages at most. */
  readonly limit: number
  /** Of one user to one receiver at most. */
  readonly each: number
  /** Messages that are being sent already. */
  readonly except: ReadonlyArray<string>
  /** Who has as many under way as may be. */
  readonly busyUsers: ReadonlyArray<UserId>
  readonly busyReceivers: ReadonlyArray<string>
}

/** What came of a try. */
export interface Outcome {
  readonly messageId: string
  readonly state: WebhookMessageState
  readonly attempts: number
  readonly at: number
  /** When it is tried next, if it is pending. */
  readonly nextAt?: number
  /** In a few words. */
  readonly words: string
}

export interface MessageQuery extends PageRequest {
  readonly userId?: UserId
  readonly state?: WebhookMessageState
}

/**
 * The messages that the store wrote together with what they tell of, until they are delivered or given up. Each belongs
 * to one server, which alone sends it, until that server's life is over. `ExecutionStore` writes them as they are
 * announced: to the webhook of the execution's beginning, and to the standing ones of its user, where those have the
 * event. A message has its id by what it tells and where it goes, and is written once. Beyond `mostPending` of a user,
 * they are refused instead.
 */
export class Outbox extends Context.Tag("@bulkhead/sandbox/Outbox")<
  Outbox,
  {
    /** Returns when there may be a message that was not there when it last returned. For one fiber. */
    readonly arrived: Effect.Effect<void>
    /** This server's messages whose time has come: the longest due first, and one of everybody's before the second. */
    readonly due: (query: DueQuery) => Effect.Effect<ReadonlyArray<OutgoingMessage>, StoreFailure>
    /** Messages of this server that were refused and that nobody was told of yet. */
    readonly refused: (limit: number) => Effect.Effect<ReadonlyArray<OutgoingMessage>, StoreFailure>
    /** Writes down what came of a message. Nothing happens when it is no longer this server's, or settled already. */
    readonly settle: (outcome: Outcome) => Effect.Effect<void, StoreFailure>
    /** Takes over the messages of lives that are over, and says how many. */
    readonly adopt: Effect.Effect<number, StoreFailure>
    readonly counts: Effect.Effect<WebhookMetrics, StoreFailure>
    /** Newest first. A cursor that was not given out leads to an empty page. */
    readonly list: (query: MessageQuery) => Effect.Effect<Page<WebhookDelivery>, StoreFailure>
    /** Lets a message that failed be pending again, from now on and as this server's. Whether there was one. */
    readonly resend: (messageId: string, now: number) => Effect.Effect<boolean, StoreFailure>
  }
>() {}
