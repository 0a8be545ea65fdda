import { Chunk, Effect, Option, Stream } from "effect"
import { RpcRefused } from "../HostErrors.js"

/** What a process does, in the order in which it happens. */
export type ProcessEvent =
  | { readonly _tag: "Start"; readonly pid: number }
  | { readonly _tag: "Data"; readonly channel: "stdout" | "stderr"; readonly bytes: Buffer }
  | { readonly _tag: "Keepalive" }
  /** The leader's wait status: the low seven bits are the signal, the high byte the exit code. */
  | { readonly _tag: "End"; readonly status: number }

/** What a reader is handed: events, and whether more may follow, all has been told, or why nothing more will be. */
export interface Batch {
  readonly events: ReadonlyArray<ProcessEvent>
  readonly outcome: "more" | "complete" | RpcRefused
}

/** One reader of a process's events. It tells when it takes bytes, so that the process can be held back. */
export class Subscriber {
  private queue: Array<ProcessEvent> = []
  private failure: RpcRefused | undefined
  private ended = false
  private waiting: ((batch: Batch) => void) | undefined
  private waking = false
  /** Whether something has waited here since the last look. */
  stalled = false

  private readonly onTaken: (bytes: number) => void

  constructor(onTaken: (bytes: number) => void) {
    this.onTaken = onTaken
  }

  offer(event: ProcessEvent): void {
    if (this.ended) return
    this.queue.push(event)
    if (event._tag === "End") this.ended = true
    this.wake()
  }

  fail(failure: RpcRefused): void {
    if (this.ended) return
    this.ended = true
    this.failure = failure
    this.wake()
  }

  get hasBacklog(): boolean {
    return this.queue.length > 0
  }

  /** Gives back what was never taken. */
  leave(): void {
    this.waiting = undefined
    this.take()
    this.ended = true
  }

  private take(): Array<ProcessEvent> {
    const taken = this.queue
    this.queue = []
    this.stalled = false
    let bytes = 0
    for (const event of taken) if (event._tag === "Data") bytes += event.bytes.length
    if (bytes > 0) this.onTaken(bytes)
    return taken
  }

  /** Hands over what has come since, or what comes next; once it has ended, always the outcome. */
  next(hand: (batch: Batch) => void): void {
    this.waiting = hand
    this.answer()
  }

  // What arrives together is handed over together.
  private wake(): void {
    if (this.waiting !== undefined && !this.waking) {
      this.waking = true
      queueMicrotask(this.answer)
    }
  }

  private readonly answer = (): void => {
    this.waking = false
    if (this.queue.length === 0 && !this.ended) return
    const hand = this.waiting
    this.waiting = undefined
    hand?.({ events: this.take(), outcome: this.ended ? (this.failure ?? "complete") : "more" })
  }

  /** The events up to the end, or up to why there is none. */
  readonly events: Stream.Stream<ProcessEvent, RpcRefused> = Stream.repeatEffectChunkOption(
    Effect.async((resume) =>
      this.next(({ events, outcome }) => {
        if (events.length > 0) resume(Effect.succeed(Chunk.unsafeFromArray(events)))
        else resume(Effect.fail(outcome instanceof RpcRefused ? Option.some(outcome) : Option.none()))
      })
    )
  )
}
