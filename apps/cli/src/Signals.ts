import { Clock, Effect, Stream } from "effect"

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const
type Signal = keyof typeof exitCodes

/** npm passes on a Ctrl-C, which the terminal has sent already: both are one signal. */
const sameSignalMs = 1000

/** A terminal that is gone counts as SIGTERM. */
const passOn = () => {
  process.kill(process.pid, "SIGTERM")
}

const signals = Stream.asyncPush<Signal>((emit) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const heard = (signal: NodeJS.Signals) => {
        emit.single(signal as Signal)
      }
      process.on("SIGINT", heard).on("SIGTERM", heard).on("SIGHUP", passOn)
      return heard
    }),
    (heard) =>
      Effect.sync(() => {
        process.off("SIGINT", heard).off("SIGTERM", heard).off("SIGHUP", passOn)
      })
  )
)

const second = signals.pipe(
  Stream.mapEffect((signal) => Effect.map(Clock.currentTimeMillis, (at) => ({ signal, at }))),
  Stream.mapAccum<number | undefined, { signal: Signal; at: number }, Signal | undefined>(
    undefined,
    (first, { at, signal }) => [
      first ?? at,
      first !== undefined && at - first > sameSignalMs ? signal : undefined
    ]
  ),
  Stream.filter((signal) => signal !== undefined),
  Stream.runHead,
  Effect.flatten
)

/** As long as the scope is open, a second signal ends this process at once. The first interrupts what it does. */
export const leaveOnSecond = second.pipe(
  Effect.flatMap((signal) => Effect.sync(() => process.exit(exitCodes[signal]))),
  Effect.forkScoped
)
