import { Chunk, Effect, Option, Stream } from "effect"
import type { RpcRefused } from "../HostErrors.js"

/** What a process does, in the order in which it happens. */
export type ProcessEvent =
  | { readonly _tag: "Start"; readonly pid: number }
  | { readonly _tag: "Data"; readonly channel: "stdout" | "stderr"; readonly bytes: Buffer }
  | { readonly _tag: "Keepalive" }
  /** The leader's wait status: the low seven bits are the signal, the high byte the exit code. */
  | { readonly _tag: "End"; readonly status: number }

/** One reader of a process's events. It tells when it takes bytes, so that the process can be held back. */
export class Subscriber {
  private queue: Array<ProcessEvent> = []
  private failure: RpcRefused | undefined
  private ended = false
  private wake: (() => void) | undefined
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
    this.wake?.()
  }

  fail(failure: RpcRefused): void {
    if (this.ended) return
    this.ended = true
    this.failure = failure
    this.wake?.()
  }

  get hasBacklog(): boolean {
    return this.queue.length > 0
  }

  /** Gives back what was never taken. */
  leave(): void {
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

  /** What has come since, or what comes next; then the end, or why there is none. */
  readonly pull: Effect.Effect<Chunk.Chunk<ProcessEvent>, Option.Option<RpcRefused>> = Effect.async(
    (resume) => {
      const answer = () => {
        this.wake = undefined
        if (this.queue.length > 0) resume(Effect.succeed(Chunk.unsafeFromArray(this.take())))
        else if (this.failure !== undefined) resume(Effect.fail(Option.some(this.failure)))
        else resume(Effect.fail(Option.none()))
      }
      if (this.queue.length > 0 || this.ended) answer()
      else this.wake = answer
    }
  )

  /** The events up to the end, or up to why there is none. */
  readonly events: Stream.Stream<ProcessEvent, RpcRefused> = Stream.repeatEffectChunkOption(
    Effect.suspend(() => this.pull)
  )
}
