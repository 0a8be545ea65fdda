import { createHash } from "node:crypto"
import { type ChainVerification, ExecutionEvent } from "@bulkhead/domain"
import { Either, Option, Schema } from "effect"

/** The end of a chain: the number of its last event, and that event's hash. */
export interface Head {
  readonly sequence: number
  readonly hash: string
}

/** Before the first event. */
export const genesis: Head = { sequence: 0, hash: "0".repeat(64) }

/** One event as it is stored. */
export interface Link extends Head {
  readonly timestamp: number
  readonly executionId: string
  /** The event and its number in JSON. This text is what is hashed. */
  readonly event: string
}

export type Break = NonNullable<ChainVerification["broken"]>

/** The hash of an event: SHA-256, in hexadecimal digits, of the hash before it and the event's text. */
export const hashOf = (previous: string, event: string) =>
  createHash("sha256").update(previous).update(event).digest("hex")

const textOf = (value: unknown) => Either.try(() => JSON.stringify(value))

/** Without its data, where that cannot be written as JSON. */
const eventText = (sequence: number, event: ExecutionEvent) =>
  Either.getOrElse(textOf({ sequence, ...event }), () =>
    JSON.stringify({ sequence, ...event, data: { unreadable: true } })
  )

/** The link that comes after `head`. */
export const append = (head: Head, event: ExecutionEvent): Link => {
  const sequence = head.sequence + 1
  const text = eventText(sequence, event)
  const { executionId, timestamp } = event
  return {
    sequence,
    hash: hashOf(head.hash, text),
    timestamp: Math.round(timestamp),
    executionId,
    event: text
  }
}

/** Reads events back from their texts. */
export const decodeEvents = Schema.decodeUnknown(Schema.Array(Schema.parseJson(ExecutionEvent)))

/** What an event's text says, unchecked. */
interface Claims {
  readonly sequence?: unknown
  readonly executionId?: unknown
  readonly timestamp?: unknown
}

// Without a schema, to be fast: verifying reads every event there is, and the hash shows each change.
const parse = Option.liftThrowable((text: string): Claims => Object(JSON.parse(text)))

/** Whether a link is the one that follows `previous`, and if not, why. */
export const check = (previous: Head, link: Link): Break | undefined => {
  const sequence = previous.sequence + 1
  if (link.sequence > sequence) return { sequence, kind: "missing" }
  const event = Option.getOrElse(parse(link.event), (): Claims => ({}))
  const claimed = event.sequence
  if (typeof claimed === "number" && claimed !== sequence) return { sequence, kind: "reordered" }
  const unchanged =
    link.hash === hashOf(previous.hash, link.event) &&
    link.executionId === event.executionId &&
    link.timestamp === Math.round(Number(event.timestamp))
  return unchanged ? undefined : { sequence, kind: "changed" }
}
