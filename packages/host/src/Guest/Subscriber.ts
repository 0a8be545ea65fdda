import { Chunk, Effect, Exit, Mailbox, Option, Stream } from "effect"
import type { RpcRefused } from "../HostErrors.js"
import type { ProcessEvent } from "./ProcessEvent.js"

/** One reader of a process's events. It says how many bytes it has taken, so that the process can be held back. */
export interface Subscriber {
  /** The events since the last look, or the next to come, and whether they are the last. Fails if they end early. */
  readonly next: Effect.Effect<readonly [events: Chunk.Chunk<ProcessEvent>, isLast: boolean], RpcRefused>
  /** All events, to the last. */
  readonly events: Stream.Stream<ProcessEvent, RpcRefused>
  /** Adds an event; nothing comes after an `End`. */
  readonly offer: (event: ProcessEvent) => void
  /** Lets the events end in a failure. */
  readonly fail: (reason: RpcRefused) => void
  /** Whether events wait here to be taken. */
  readonly hasBacklog: () => boolean
  /** Takes what is left, and ends. */
  readonly leave: Effect.Effect<void>
}

const bytesIn = (events: Chunk.Chunk<ProcessEvent>) =>
  Chunk.reduce(events, 0, (sum, event) => (event._tag === "Data" ? sum + event.bytes.length : sum))

/** A reader that has missed nothing yet; `onTaken` is called with the bytes that it takes each time. */
export const make = (onTaken: (bytes: number) => void): Effect.Effect<Subscriber> =>
  Effect.map(Mailbox.make<ProcessEvent, RpcRefused>(), (mailbox) => {
    const count = (events: Chunk.Chunk<ProcessEvent>) => Effect.sync(() => onTaken(bytesIn(events)))
    const next = Effect.tap(mailbox.takeAll, ([events]) => count(events))
    return {
      next,
      events: Stream.paginateChunkEffect(undefined, () =>
        Effect.map(
          next,
          ([events, isLast]) => [events, isLast ? Option.none() : Option.some(undefined)] as const
        )
      ),
      offer: (event) => {
        mailbox.unsafeOffer(event)
        if (event._tag === "End") mailbox.unsafeDone(Exit.void)
      },
      fail: (reason) => void mailbox.unsafeDone(Exit.fail(reason)),
      hasBacklog: () => Option.exists(mailbox.unsafeSize(), (waiting) => waiting > 0),
      leave: Effect.ignore(Effect.flatMap(mailbox.clear, count)).pipe(Effect.zipRight(mailbox.shutdown))
    }
  })
