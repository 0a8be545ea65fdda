import { EmbeddedHost } from "@bulkhead/host"
import { FileSystem } from "@effect/platform"
import { Sandbox } from "e2b"
import { Array as Arr, Clock, Effect, Layer, Redacted } from "effect"
import { MeasurementFailure, median, spread } from "./Measurement.js"
import type { Options } from "./Options.js"

const plain = "base"
const image = "bench"

/** An image with a directory in each place that `npm run image` uses. What is in them is not read at a start. */
const imageDirectory = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "bench-image-" })
  for (const place of ["opt/bulkhead", "opt/image/bin", "opt/image/python", "node_modules"])
    yield* fs.makeDirectory(`${directory}/root/${place}`, { recursive: true })
  yield* fs.writeFileString(
    `${directory}/root/opt/bulkhead/image.json`,
    '{"format":1,"env":{"PYTHONPATH":"/x"}}'
  )
  return directory
})

const failure = (error: unknown) => new MeasurementFailure({ message: `images: ${String(error)}` })

const now = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)

/** Milliseconds from the request for a sandbox to the end of its first command. */
const startOf = Effect.fnUntraced(function* (template: string) {
  const { apiKey, url } = yield* EmbeddedHost
  const where = { apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url }
  const begin = yield* now
  const sandbox = yield* Effect.tryPromise({ try: () => Sandbox.create(template, where), catch: failure })
  yield* Effect.tryPromise({ try: () => sandbox.commands.run("true"), catch: failure })
  const end = yield* now
  yield* Effect.tryPromise({ try: () => sandbox.kill(), catch: failure })
  return end - begin
})

/** One of each, and who is first takes turns. */
const pair = Effect.fnUntraced(function* (index: number) {
  const order = index % 2 === 0 ? [plain, image] : [image, plain]
  const times = yield* Effect.forEach(order, startOf)
  return index % 2 === 0 ? times : times.toReversed()
})

const round = (pairs: number) =>
  Effect.map(Effect.forEach(Arr.range(0, pairs - 1), pair), (times) => {
    const of = (index: number) => median(times.map((each) => each[index] ?? Number.NaN))
    return { plainMs: of(0), imageMs: of(1) }
  })

/** What a start on an image costs over one of the plain sandbox, each beside the other. */
export const measure = Effect.fn("ImageStarts.measure")(
  function* ({ pairs, rounds }: Options) {
    yield* round(pairs)
    const found = yield* Effect.replicateEffect(round(pairs), rounds)
    return {
      pairs: pairs * rounds,
      plainMs: spread(found.map(({ plainMs }) => plainMs)),
      imageMs: spread(found.map(({ imageMs }) => imageMs)),
      ratio: spread(found.map(({ imageMs, plainMs }) => imageMs / plainMs))
    }
  },
  Effect.provide(
    Layer.unwrapScoped(
      Effect.map(imageDirectory, (directory) => EmbeddedHost.layer({ images: { [image]: directory } }))
    )
  )
)
