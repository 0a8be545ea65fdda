import { fileURLToPath } from "node:url"
import { Command } from "@effect/platform"
import { Array as Arr, Clock, Duration, Effect, Queue, Schema, Stream } from "effect"
import { type Block, MeasurementFailure } from "./Measurement.js"

const now = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)

/**
 * Runs an effect again and again in so many fibers until the time is up; what has begun by then is waited for.
 * It does little beside, and is no span, since that would count too.
 */
export const run = Effect.fnUntraced(function* <E, R>(
  once: Effect.Effect<unknown, E, R>,
  concurrency: number,
  duration: Duration.Duration
) {
  const startedAt = yield* now
  const endsAt = startedAt + Duration.toMillis(duration)
  const worker = Effect.gen(function* () {
    const latencies: Array<number> = []
    for (let askedAt = yield* now; askedAt < endsAt; askedAt = yield* now) {
      yield* once
      latencies.push((yield* now) - askedAt)
    }
    return latencies
  })
  const workers = Arr.makeBy(concurrency, () => worker)
  const latencies = yield* Effect.all(workers, { concurrency: "unbounded" })
  const block: Block = { latencies: latencies.flat(), wallMs: (yield* now) - startedAt }
  return block
})

/** The same by a small process beside the bench: what a large one costs would count too. */
export type Client = (
  concurrency: number,
  duration: Duration.Duration
) => Effect.Effect<Block, MeasurementFailure>

const Answer = Schema.parseJson(
  Schema.Union(
    Schema.Struct({
      latencies: Schema.Array(Schema.Number),
      wallMs: Schema.Number,
      cpuMs: Schema.optionalWith(Schema.Number, { exact: true })
    }),
    Schema.Struct({ error: Schema.String })
  )
)

// Both the sources and the bundle have the script beside them.
const script = fileURLToPath(new URL("./closed_loop.py", import.meta.url))

/** A line in, a line out. */
const converse = Effect.fnUntraced(function* (command: Command.Command) {
  const orders = yield* Queue.unbounded<string>()
  const answers = yield* Queue.unbounded<string>()
  const process = yield* command.pipe(
    Command.stdin(Stream.encodeText(Stream.fromQueue(orders))),
    Command.stderr("inherit"),
    Command.start
  )
  yield* process.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Queue.offer(answers, line)),
    Effect.ensuring(Queue.offer(answers, '{"error":"the process ended"}')),
    Effect.forkScoped
  )
  return (order: string) => Effect.zipRight(Queue.offer(orders, `${order}\n`), Queue.take(answers))
})

const start = Effect.fnUntraced(function* (name: string, command: Command.Command) {
  const failure = ({ message }: { readonly message: string }) =>
    new MeasurementFailure({ message: `${name}: ${message}` })
  const ask = yield* Effect.mapError(converse(command), failure)
  const client: Client = (concurrency, duration) =>
    ask(`${concurrency} ${Duration.toMillis(duration)}`).pipe(
      Effect.flatMap(Schema.decode(Answer)),
      Effect.mapError(failure),
      Effect.flatMap((answer) =>
        "error" in answer ? failure({ message: answer.error }) : Effect.succeed(answer)
      )
    )
  return client
})

const scripted = (...words: ReadonlyArray<string>) => Command.make("/usr/bin/python3", script, ...words)

/** Runs a command that must print `1`. `name` is for failures. */
export const spawning = (name: string, command: ReadonlyArray<string>) =>
  start(name, scripted("spawn", ...command))

/** Gets permits as one of the replicas on a database, by the bundled bench in a process of its own. */
export const admitting = (name: string, bench: string, databaseUrl: string) =>
  start(
    name,
    Command.make(process.execPath, bench, "--replica").pipe(Command.env({ DATABASE_URL: databaseUrl }))
  )

/** Posts JSON over connections that are kept open through each block. All that is expected must be in each answer. */
export const posting = (name: string, url: URL, json: unknown, expected: ReadonlyArray<string>) =>
  start(name, scripted("post", url.hostname, url.port, url.pathname, JSON.stringify(json), ...expected))
