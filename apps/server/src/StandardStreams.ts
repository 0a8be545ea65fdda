import { Console, Effect } from "effect"

const failureOf = (stream: NodeJS.WriteStream) =>
  Effect.async<NodeJS.ErrnoException>((resume) => {
    stream.on("error", (error) => resume(Effect.succeed(error)))
  })

const surviveOne = (
  stream: NodeJS.WriteStream,
  name: string,
  tell: (message: string) => Effect.Effect<void>
) =>
  failureOf(stream).pipe(
    Effect.flatMap(({ code, message }) =>
      tell(`${name} cannot be written (${code ?? message}); the server goes on without it`)
    ),
    Effect.forkDaemon
  )

/**
 * Lets the server go on when stdout or stderr cannot be written any more, as after `npm start | head -1`. The first
 * failure of each is told. The listeners stay: an error event without a listener ends the process.
 */
export const survive = Effect.all(
  [
    // The log may be on stdout.
    surviveOne(process.stdout, "stdout", (message) => Console.error(`bulkhead: ${message}`)),
    surviveOne(process.stderr, "stderr", (message) => Effect.logWarning(message))
  ],
  { discard: true }
)
