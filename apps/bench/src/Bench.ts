import { Console, Effect, Option } from "effect"
import * as MachineFacts from "./MachineFacts.js"
import * as Measurements from "./Measurements.js"
import type { Group, Options } from "./Options.js"
import * as OwnProcess from "./OwnProcess.js"
import * as SandboxCosts from "./SandboxCosts.js"

/** Measures what is asked for, one thing after the other. */
export const run = Effect.fn("Bench.run")(function* (options: Options) {
  const machine = yield* MachineFacts.read
  const when = <A, E, R>(group: Group, measure: Effect.Effect<A, E, R>) =>
    Effect.map(
      Effect.when(measure, () => Option.getOrElse(options.only, () => group) === group),
      Option.getOrUndefined
    )
  const alone = <A, I>(name: Group, measurement: Measurements.Measurement<A, I>) =>
    when(
      name,
      Effect.zipRight(
        Console.error(`Measuring ${measurement.what} …`),
        OwnProcess.measure(name, measurement.result, options)
      )
    )
  const measured = yield* Effect.all({
    sandboxes: when("sandboxes", SandboxCosts.measure(options)),
    throughput: alone("throughput", Measurements.all.throughput),
    overhead: alone("overhead", Measurements.all.overhead),
    queue: alone("queue", Measurements.all.queue),
    admission: alone("admission", Measurements.all.admission),
    fairness: alone("fairness", Measurements.all.fairness)
  })
  return { ...measured, machine, loadAfter: (yield* MachineFacts.read).load }
})

/** What a run found, and nothing of the groups that were not asked for. Every time is in milliseconds unless its name says otherwise. */
export type Results = Effect.Effect.Success<ReturnType<typeof run>>
