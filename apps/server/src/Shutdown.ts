import { SandboxService } from "@bulkhead/sandbox"
import { Effect, Layer, Queue } from "effect"

/** When the server is told to stop: refuses new work and ends what runs, while the HTTP server still answers. */
export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const service = yield* SandboxService
    yield* Effect.addFinalizer(() => Effect.zipRight(Effect.logInfo("Shutting down"), service.shutdown))
  })
)

// npm passes on the Ctrl-C that the terminal has already sent.
const sameSignal = "1 second"

const exitCodes = { SIGINT: 130, SIGTERM: 143 }
type Signal = keyof typeof exitCodes

/** Lets a second signal end the process at once, while the first is still being obeyed. */
export const onSecondSignal = Effect.gen(function* () {
  const signals = yield* Queue.unbounded<Signal>()
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => Queue.unsafeOffer(signals, signal))
  }
  yield* Queue.take(signals).pipe(
    Effect.zipRight(Effect.sleep(sameSignal)),
    Effect.zipRight(Queue.takeAll(signals)),
    Effect.zipRight(Queue.take(signals)),
    Effect.flatMap((signal) => Effect.sync(() => process.exit(exitCodes[signal]))),
    Effect.forkDaemon
  )
})
