import { SandboxService } from "@bulkhead/sandbox"
import { Effect, Layer, Queue } from "effect"
import { Draining } from "./Draining.js"

/** On shutdown: refuses new work and ends what runs, while the HTTP server still answers. */
export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const service = yield* SandboxService
    const draining = yield* Draining
    yield* Effect.addFinalizer(() =>
      Effect.logInfo("Shutting down").pipe(Effect.zipRight(draining.begin), Effect.zipRight(service.shutdown))
    )
  })
)

// npm passes on a Ctrl-C, which the terminal has sent already: both are one signal.
const sameSignal = "1 second"

const exitCodes = { SIGINT: 130, SIGTERM: 143 }
type Signal = keyof typeof exitCodes

const passOn = () => {
  process.kill(process.pid, "SIGTERM")
}

/** A terminal that is gone counts as SIGTERM. Node lets it end the process at once, under `nohup` too. */
export const onHangUp = Effect.sync(() => {
  process.on("SIGHUP", passOn)
})

/** A second signal ends the process at once, while the first still shuts it down. */
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
