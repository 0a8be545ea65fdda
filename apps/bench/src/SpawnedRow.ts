import { Command } from "@effect/platform"
import { Duration, Effect, Queue, Schema, Stream } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as Places from "./Places.js"
import type { Row } from "./Row.js"

const Answer = Schema.parseJson(
  Schema.Union(
    Schema.Struct({ latencies: Schema.Array(Schema.Number), wallMs: Schema.Number }),
    Schema.Struct({ error: Schema.String })
  )
)

const failure = (name: string) => (error: unknown) =>
  new BenchFailure({ message: `${name}: ${error instanceof Error ? error.message : String(error)}` })

/** A small process of its own that runs the command: a line in, a line out. */
const startSpawner = Effect.fnUntraced(function* (command: ReadonlyArray<string>) {
  const orders = yield* Queue.unbounded<string>()
  const answers = yield* Queue.unbounded<string>()
  const spawner = yield* Command.make("/usr/bin/perl", Places.spawner, ...command).pipe(
    Command.stdin(Stream.encodeText(Stream.fromQueue(orders))),
    Command.stderr("inherit"),
    Command.start
  )
  yield* spawner.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Queue.offer(answers, line)),
    Effect.ensuring(Queue.offer(answers, '{"error":"the spawner ended"}')),
    Effect.forkScoped
  )
  return (order: string) => Effect.zipRight(Queue.offer(orders, `${order}\n`), Queue.take(answers))
})

/** Runs a command that prints `1` as a process without any help, started by fork and exec. */
export const make = Effect.fnUntraced(function* (name: string, command: ReadonlyArray<string>) {
  const ask = yield* Effect.mapError(startSpawner(command), failure(name))
  const row: Row = {
    name,
    how: command.join(" "),
    run: (concurrency, duration) =>
      ask(`${concurrency} ${Duration.toMillis(duration)}`).pipe(
        Effect.flatMap(Schema.decode(Answer)),
        Effect.mapError(failure(name)),
        Effect.filterOrFail(
          (answer) => "wallMs" in answer,
          (answer) => failure(name)("error" in answer ? answer.error : "no answer")
        )
      )
  }
  return row
})
