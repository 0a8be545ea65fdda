import { DeliveryFailure, type Post, Receiver } from "@bulkhead/webhooks"
import { Effect } from "effect"
import type { Fate, Faults } from "./Faults.js"
import { SimulatedProcess, type SimulationTime } from "./SimulationTime.js"

export interface ReceiversOptions {
  readonly time: SimulationTime
  readonly faults: Faults
  /** A copy of a message was taken, whatever its sender hears of that. */
  readonly onTaken: (post: Post) => void
}

const broken = new DeliveryFailure({ message: "the connection was closed without an answer" })

/** Those who are told by webhooks: what is true of them, whatever the service was told. They outlive its lives. */
export class SimulatedReceivers {
  private readonly options: ReceiversOptions
  private readonly self: SimulatedProcess

  constructor(options: ReceiversOptions) {
    this.options = options
    this.self = new SimulatedProcess(options.time)
  }

  /** What one life of the service sees of them. */
  connect(owner: SimulatedProcess): Receiver["Type"] {
    const { faults, time } = this.options
    return Receiver.of({
      post: (post) =>
        Effect.async((resume) => {
          let isWaitedFor = true
          const answer = (what: Effect.Effect<number, DeliveryFailure>, delay: number) =>
            time.after(this.self, delay, () => {
              if (isWaitedFor && owner.isAlive) resume(what)
            })
          this.arrives(post, faults.next(post.url, "post", time.now), answer)
          return Effect.sync(() => {
            isWaitedFor = false
          })
        })
    })
  }

  /** What is under way arrives, also when its sender is gone by then. */
  private arrives(
    post: Post,
    fate: Fate,
    answer: (what: Effect.Effect<number, DeliveryFailure>, delay: number) => void
  ): void {
    const { fault } = fate
    if (fault?._tag === "Hangs") return
    if (fault?._tag === "Refused") {
      answer(Effect.succeed(500), fate.delay + fate.answer)
      return
    }
    this.options.time.after(this.self, fate.delay, () => {
      this.options.onTaken(post)
      if (fault === undefined) answer(Effect.succeed(200), fate.answer)
      if (fault?._tag === "AnswerLost") answer(broken, fate.answer)
    })
  }
}
