import { Effect, Scope } from "effect"
import { RpcRefused } from "../HostErrors.js"
import type { ProcessEvent } from "./ProcessEvent.js"
import * as Subscriber from "./Subscriber.js"

/** Bytes taken before the agent may send as many more: small outputs cost no such message. */
const CREDIT_PIECE = 256 * 1024

const tooSlow = new RpcRefused({ code: "resource_exhausted", message: "the reader is too slow" })

interface Reader {
  /** How much of the output it has taken, counted from the process's start. */
  taken: number
  /** Whether all that waited here at the last look for stalled readers still does. */
  wasBehind: boolean
}

/** Gives a process's events to each of its subscribers. The slowest one decides how much the process may write. */
export class ProcessOutput {
  private readonly readers = new Map<Subscriber.Subscriber, Reader>()
  private sent = 0
  private credited = 0
  private readonly early: Array<ProcessEvent> = []
  private start: ProcessEvent | undefined
  private last: ProcessEvent | RpcRefused | undefined
  private readonly onCredit: (bytes: number) => void

  /** `onCredit` is called with the bytes that the process may send more. */
  constructor(onCredit: (bytes: number) => void) {
    this.onCredit = onCredit
  }

  /** A reader of all events from now on; of those before, it gets the start and the end. It leaves with the scope. */
  get subscribe(): Effect.Effect<Subscriber.Subscriber, never, Scope.Scope> {
    const reader: Reader = { taken: this.sent, wasBehind: false }
    const take = (bytes: number) => {
      reader.taken += bytes
      reader.wasBehind = false
      this.giveCredit()
    }
    return Effect.flatMap(Effect.scope, (scope) =>
      Effect.tap(Subscriber.make(take), (subscriber) => {
        this.add(subscriber, reader)
        const leave = Effect.sync(() => this.remove(subscriber))
        return Scope.addFinalizer(scope, Effect.zipRight(subscriber.leave, leave))
      })
    ).pipe(Effect.uninterruptible)
  }

  /** Takes the next event. Clients count on the start to come first, so what comes before it waits. */
  publish(event: ProcessEvent): void {
    if (event._tag === "Data") this.sent += event.bytes.length
    if (event._tag === "Start") this.start = event
    else if (this.start === undefined) {
      this.early.push(event)
      return
    }
    this.deliver(event)
    for (const waiting of this.early.splice(0)) this.deliver(waiting)
  }

  /** There will be no more events. */
  fail(reason: RpcRefused): void {
    this.last = reason
    for (const subscriber of this.readers.keys()) subscriber.fail(reason)
  }

  /** Cuts off the readers that have taken nothing since the last look while others wait for them. */
  readonly dropStalled: Effect.Effect<void> = Effect.sync(() => {
    const subscribers = [...this.readers.keys()]
    if (subscribers.length < 2 || subscribers.every((each) => each.hasBacklog())) return
    for (const [subscriber, reader] of this.readers) {
      const isBehind = subscriber.hasBacklog()
      if (reader.wasBehind && isBehind) {
        subscriber.fail(tooSlow)
        this.remove(subscriber)
      } else reader.wasBehind = isBehind
    }
  })

  private deliver(event: ProcessEvent): void {
    if (event._tag === "End") this.last = event
    for (const subscriber of this.readers.keys()) subscriber.offer(event)
    if (this.readers.size === 0) this.giveCredit()
  }

  private add(subscriber: Subscriber.Subscriber, reader: Reader): void {
    this.readers.set(subscriber, reader)
    if (this.start !== undefined) subscriber.offer(this.start)
    if (this.last === undefined) return
    if (this.last._tag === "RpcRefused") subscriber.fail(this.last)
    else subscriber.offer(this.last)
  }

  private remove(subscriber: Subscriber.Subscriber): void {
    this.readers.delete(subscriber)
    this.giveCredit()
  }

  private giveCredit(): void {
    const slowest = Math.min(this.sent, ...[...this.readers.values()].map(({ taken }) => taken))
    if (slowest - this.credited < CREDIT_PIECE) return
    this.onCredit(slowest - this.credited)
    this.credited = slowest
  }
}
