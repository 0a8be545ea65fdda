import { Command } from "@effect/platform"
import { Duration, Effect, Queue, Schema, Stream } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as Places from "./Places.js"
import type { Block } from "./Row.js"

const Answer = Schema.parseJson(
  Schema.Union(
    Schema.Struct({ latencies: Schema.Array(Schema.Number), wallMs: Schema.Number }),
    Schema.Struct({ error: Schema.String })
  )
)

const failure = (name: string) => (error: unknown) =>
  new BenchFailure({ message: `${name}: ${error instanceof Error ? error.message : String(error)}` })

/** A line in, a line out. */
const converse = Effect.fnUntraced(function* (script: string, words: ReadonlyArray<string>) {
  const orders = yield* Queue.unbounded<string>()
  const answers = yield* Queue.unbounded<string>()
  const process = yield* Command.make("/usr/bin/perl", Places.loop, script, ...words).pipe(
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

/** A small process of its own that does one thing so many times at once for so long, again and again, and tells how long each took. */
export const start = Effect.fnUntraced(function* (
  name: string,
  script: string,
  words: ReadonlyArray<string>
) {
  const ask = yield* Effect.mapError(converse(script, words), failure(name))
  return (concurrency: number, duration: Duration.Duration): Effect.Effect<Block, BenchFailure> =>
    ask(`${concurrency} ${Duration.toMillis(duration)}`).pipe(
      Effect.flatMap(Schema.decode(Answer)),
      Effect.mapError(failure(name)),
      Effect.filterOrFail(
        (answer) => "wallMs" in answer,
        (answer) => failure(name)("error" in answer ? answer.error : "no answer")
      )
    )
})
