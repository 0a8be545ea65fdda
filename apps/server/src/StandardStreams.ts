import { Effect } from "effect"

const streams = { stdout: process.stdout, stderr: process.stderr }

const failureOf = (stream: NodeJS.WriteStream) =>
  Effect.async<NodeJS.ErrnoException>((resume) => {
    stream.on("error", (error) => resume(Effect.succeed(error)))
  })

/**
 * Lets the server go on when stdout or stderr cannot be written any more, as after `npm start | head -1`. The first
 * failure of each is logged. The listeners stay: an error event without a listener ends the process.
 */
export const survive = Effect.forEach(
  Object.entries(streams),
  ([name, stream]) =>
    failureOf(stream).pipe(
      Effect.flatMap(({ code, message }) =>
        Effect.logWarning(`${name} cannot be written (${code ?? message}); the server goes on without it`)
      ),
      Effect.forkDaemon
    ),
  { discard: true }
)
