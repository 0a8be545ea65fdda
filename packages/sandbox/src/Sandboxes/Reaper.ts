import { type Context, Duration, Effect, Fiber, Queue, Schedule } from "effect"
import type { ListedSandbox, SandboxFailure, SandboxProvider } from "./SandboxProvider.js"

/** Finds the sandboxes of this instance that nobody holds, and ends them. */
export interface Reaper {
  /** Looks once. How many it ended. */
  readonly sweep: Effect.Effect<number>
  /** Asks for a look soon: something may have been left behind. */
  readonly wake: () => void
  /** Sandboxes that were ended so far. */
  readonly reaped: Effect.Effect<number>
}

export interface ReaperOptions {
  readonly provider: Context.Tag.Service<SandboxProvider>
  /** What all sandboxes of this instance carry, whichever life of it made them. */
  readonly tags: Readonly<Record<string, string>>
  /** Tells what is held at the moment in which it is asked for. */
  readonly holder: () => (sandbox: ListedSandbox) => boolean
  /** Seconds between looks. */
  readonly interval: number
}

/** A create whose answer was lost needs a moment until its sandbox can be listed. */
const settling = Duration.seconds(1)

const killAttempts = Schedule.intersect(Schedule.exponential("200 millis"), Schedule.recurs(3))

/** How long one look, or one kill, may take. */
const listBound = Duration.seconds(30)
const killBound = Duration.seconds(15)

const bounded =
  (duration: Duration.Duration) =>
  <A>(effect: Effect.Effect<A, SandboxFailure>) =>
    effect.pipe(Effect.disconnect, Effect.timeout(duration))

/** How long the last look may take. */
const lastBound = Duration.seconds(5)

/** Looks at once, at every interval, when woken, and at the end of the scope if there was no look since it was woken. */
export const make = Effect.fnUntraced(function* ({ holder, interval, provider, tags }: ReaperOptions) {
  let reaped = 0
  let isWoken = false
  const wakes = yield* Queue.sliding<void>(1)

  const kill = ({ id, metadata }: ListedSandbox) =>
    provider.kill(id).pipe(
      Effect.retry({ schedule: killAttempts, while: ({ retryable }) => retryable }),
      bounded(killBound),
      Effect.zipRight(Effect.sync(() => void reaped++)),
      Effect.zipRight(Effect.logWarning("Ended a sandbox that nobody held", { sandboxId: id, ...metadata })),
      Effect.as(1),
      Effect.catchAllCause((cause) =>
        Effect.as(Effect.logWarning("A sandbox that nobody holds was not ended", { sandboxId: id }, cause), 0)
      )
    )

  // What was held when we asked, and no longer is, ended in the ordinary way.
  const sweep = Effect.suspend(() => {
    const wasHeld = holder()
    isWoken = false
    return provider.list(tags).pipe(
      bounded(listBound),
      Effect.map((sandboxes) => {
        const isHeld = holder()
        return sandboxes.filter((sandbox) => !wasHeld(sandbox) && !isHeld(sandbox))
      })
    )
  }).pipe(
    Effect.flatMap((orphans) => Effect.forEach(orphans, kill, { concurrency: 4 })),
    Effect.map((ended) => ended.reduce((sum, one) => sum + one, 0)),
    Effect.catchAllCause((cause) =>
      Effect.as(Effect.logWarning("The sandboxes of this instance could not be listed", cause), 0)
    )
  )

  const pause = Effect.raceFirst(
    Effect.sleep(Duration.seconds(interval)),
    Effect.zipRight(Queue.take(wakes), Effect.sleep(settling))
  )
  yield* Effect.forkScoped(Effect.interruptible(Effect.forever(Effect.zipRight(sweep, pause))))
  const lastSweep = sweep.pipe(Effect.disconnect, Effect.timeoutOption(lastBound), Effect.interruptible)
  // In a fiber of its own: within a finalizer nothing can be interrupted, and so nothing would be bounded.
  yield* Effect.addFinalizer(() =>
    isWoken ? Effect.flatMap(Effect.forkDaemon(lastSweep), Fiber.await) : Effect.void
  )

  const reaper: Reaper = {
    sweep,
    wake: () => {
      isWoken = true
      Queue.unsafeOffer(wakes, undefined)
    },
    reaped: Effect.sync(() => reaped)
  }
  return reaper
})
