import { BulkheadClient } from "@bulkhead/api"
import { NodeHttpClient } from "@effect/platform-node"
import { Clock, Effect, Stream } from "effect"
import * as Checkout from "./Checkout.js"
import { type Latency, latency, MeasurementFailure } from "./Measurement.js"
import type { Options } from "./Options.js"
import * as ServerUnderTest from "./ServerUnderTest.js"

/** How long output takes from a program to a reader of its stream. */
export interface StreamLatency {
  readonly programs: number
  /** All together. */
  readonly streams: number
  readonly lines: number
  /** From the moment when the program wrote a line, by its own clock, to when a reader has it. */
  readonly late: Latency
}

/** Readers of each program. */
const readersEach = 4

/**
 * Each line is the moment at which it is written; the machine's clock is the same in sandboxes. It waits until all
 * programs have started, since starts are measured elsewhere.
 */
const program = ({ streamMs, streamStartMs }: Options) => `
import time
time.sleep(${streamStartMs / 1000})
end = time.time() + ${streamMs / 1000}
while time.time() < end:
    print(repr(time.time() * 1000), flush=True)
    time.sleep(0.05)
`

const failed = ({ message }: { readonly message: string }) =>
  new MeasurementFailure({ message: `streams: ${message}` })

/** Lets programs write for some time, and their readers say how late they hear of it. */
const readAll = Effect.fnUntraced(function* (url: string, options: Options) {
  const client = yield* BulkheadClient.make({ url })
  const code = program(options)
  const begin = Effect.map(client.streams.submit({ payload: { code } }), ({ executionId }) => executionId)
  const lateness = (executionId: string) =>
    Stream.runFoldEffect(client.updates(executionId), [] as ReadonlyArray<number>, (late, update) =>
      update.type === "stdout"
        ? Effect.map(Clock.currentTimeMillis, (now) => late.concat(latenessOf(update.text, now)))
        : Effect.succeed(late)
    )
  const found = yield* begin.pipe(
    Effect.flatMap((executionId) =>
      Effect.replicateEffect(lateness(executionId), readersEach, { concurrency: "unbounded" })
    ),
    Effect.replicateEffect(options.streamPrograms, { concurrency: "unbounded" }),
    Effect.mapError(failed)
  )
  return found.flat(2)
})

/** Measures a server that has been warmed by the same. */
export const measure = Effect.fn("StreamLatency.measure")(
  function* (options: Options) {
    const { url } = yield* ServerUnderTest.start(Checkout.ours, "apps/server/dist/bulkhead.js")
    yield* readAll(url, options)
    const late = yield* readAll(url, options)
    const measured: StreamLatency = {
      programs: options.streamPrograms,
      streams: options.streamPrograms * readersEach,
      lines: late.length,
      late: latency(late)
    }
    return measured
  },
  Effect.scoped,
  Effect.provide(NodeHttpClient.layer)
)

const latenessOf = (text: string, now: number) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((written) => now - Number(written))
