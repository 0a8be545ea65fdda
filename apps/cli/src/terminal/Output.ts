import { Context, Data, Effect, Layer } from "effect"

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

/** This process's stdout and stderr. */
export class Output extends Context.Tag("@bulkhead/cli/Output")<
  Output,
  { readonly stdout: Sink; readonly stderr: Sink }
>() {
  static readonly layer = Layer.sync(Output, () => ({
    stdout: sinkOf(process.stdout),
    stderr: sinkOf(process.stderr)
  }))
}

/** Writes a line to stdout. */
export const print = (line: string) => Effect.flatMap(Output, ({ stdout }) => stdout.write(`${line}\n`))

/** Writes a line about what goes on to stderr. Nobody need read it. */
export const tell = (line: string) =>
  Effect.flatMap(Output, ({ stderr }) => Effect.ignore(stderr.write(`bulkhead: ${line}\n`)))
