import { Context, Data, Effect, Layer } from "effect"
import * as StatusLine from "./StatusLine.js"

/** Whoever read the output has gone. */
export class OutputClosed extends Data.TaggedError("OutputClosed")<{ readonly message: string }> {}

/** Where text goes. */
export interface Sink {
  /** Whether somebody reads it on a terminal. */
  readonly isTerminal: boolean
  /** Characters of a line there; 80 where nothing says how many. */
  readonly columns: Effect.Effect<number>
  /** Lines that fit there; 24 where nothing says how many. */
  readonly rows: Effect.Effect<number>
  /** Returns once it is on its way, so that a slow reader holds up the writer. */
  readonly write: (data: string | Uint8Array) => Effect.Effect<void, OutputClosed>
}

const sinkOf = (stream: NodeJS.WriteStream): Sink => {
  // An error event without a listener ends the process; who writes is told of it.
  stream.on("error", () => undefined)
  return {
    isTerminal: stream.isTTY === true,
    columns: Effect.sync(() => stream.columns || 80),
    rows: Effect.sync(() => stream.rows || 24),
    write: (data) =>
      Effect.async((resume) => {
        stream.write(data, (error) =>
          resume(error ? Effect.fail(new OutputClosed({ message: error.message })) : Effect.void)
        )
      })
  }
}

/** This process's stdout and stderr, and the line below them. */
export class Output extends Context.Tag("@bulkhead/cli/Output")<
  Output,
  { readonly stdout: Sink; readonly stderr: Sink; readonly status: StatusLine.StatusLine }
>() {
  static readonly layer = Layer.effect(
    Output,
    Effect.gen(function* () {
      const { stderr, stdout } = yield* Effect.sync(() => ({
        stdout: sinkOf(process.stdout),
        stderr: sinkOf(process.stderr)
      }))
      return { stdout, stderr, status: yield* StatusLine.make(stderr) }
    })
  )
}

/** Writes a line to stdout. */
export const print = (line: string) => Effect.flatMap(Output, ({ stdout }) => stdout.write(`${line}\n`))

/** Writes a line about what goes on to stderr. Nobody need read it. */
export const tell = (line: string) =>
  Effect.flatMap(Output, ({ status }) => status.above(`bulkhead: ${line}`))

/** Says how far something is, on a terminal, until the scope closes. */
export const showStatus = (words: string) =>
  Effect.flatMap(Output, ({ status }) => Effect.acquireRelease(status.set(words), () => status.hide))
