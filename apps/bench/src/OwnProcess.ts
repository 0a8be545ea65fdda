import { Command } from "@effect/platform"
import { Effect, Schema } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as Measurements from "./Measurements.js"
import type { Group, Options } from "./Options.js"
import * as Places from "./Places.js"

const argumentsOf = (group: Group, { quick, rounds }: Options) => [
  ...["--alone", group, "--rounds", String(rounds)],
  ...(quick ? ["--quick"] : [])
]

/** Measures in a fresh process of this same program, whose memory can be counted. */
export const measure = <A, I>(group: Group, result: Schema.Schema<A, I>, options: Options) =>
  Command.make(Places.node, "--expose-gc", Places.program, ...argumentsOf(group, options)).pipe(
    Command.stderr("inherit"),
    Command.string,
    Effect.flatMap(Schema.decode(Schema.parseJson(result))),
    Effect.mapError(({ message }) => new BenchFailure({ message: `${group}: ${message}` }))
  )

const tell = <A, I>({ measure, result }: Measurements.Measurement<A, I>, options: Options) =>
  Effect.flatMap(measure(options), (found) => Effect.orDie(Schema.encode(Schema.parseJson(result))(found)))

/** What that process does: it gives its result as text for whoever started it. */
export const run = (group: Group, options: Options) => {
  switch (group) {
    case "sandboxes":
      return new BenchFailure({ message: "sandboxes are not measured alone" })
    case "throughput":
      return tell(Measurements.all.throughput, options)
    case "overhead":
      return tell(Measurements.all.overhead, options)
    case "queue":
      return tell(Measurements.all.queue, options)
    case "admission":
      return tell(Measurements.all.admission, options)
    case "fairness":
      return tell(Measurements.all.fairness, options)
  }
}
