import type { Effect, Schema } from "effect"
import * as AdmissionCost from "./AdmissionCost.js"
import type { BenchFailure } from "./BenchFailure.js"
import * as NoisyUser from "./NoisyUser.js"
import type { Options } from "./Options.js"
import * as Overhead from "./Overhead.js"
import * as QueueMemory from "./QueueMemory.js"
import * as Throughput from "./Throughput.js"

/** Something that is measured in a process of its own, so that no other's heap and compiled code are in it. */
export interface Measurement<A, I> {
  /** For people. */
  readonly what: string
  readonly result: Schema.Schema<A, I>
  readonly measure: (options: Options) => Effect.Effect<A, BenchFailure>
}

const measurement = <A, I>(given: Measurement<A, I>) => given

/** By the names of their groups. */
export const all = {
  throughput: measurement({
    what: "the service's throughput on mock sandboxes",
    result: Throughput.Result,
    measure: Throughput.measure
  }),
  overhead: measurement({
    what: "what the service adds to one execution",
    result: Overhead.Result,
    measure: Overhead.measure
  }),
  queue: measurement({
    what: "the memory of those who wait",
    result: QueueMemory.Result,
    measure: QueueMemory.measure
  }),
  admission: measurement({
    what: "the cost of admission",
    result: AdmissionCost.Result,
    measure: AdmissionCost.measure
  }),
  fairness: measurement({
    what: "a noisy user's neighbour",
    result: NoisyUser.Result,
    measure: NoisyUser.measure
  })
}
