import { type Context, Duration, Effect, Queue, Ref, Schedule } from "effect"
import type { ListedSandbox, SandboxFailure, SandboxProvider } from "./SandboxProvider.js"

/** Finds the sandboxes of this instance that have no owner, and ends them. */
export interface Reaper {
  /** Looks once. How many it ended. */
  readonly sweep: Effect.Effect<number>
  /**
   * Ends every sandbox that another life made, whose owner is known to be dead, and looks again a moment later. Whether
   * it is certain that none is left.
   */
  readonly bury: (life: string) => Effect.Effect<boolean>
  /** Asks for a look soon: something may have been left behind. */
  readonly wake: Effect.Effect<void>
  /** Sandboxes that were ended so far. */
  readonly reaped: Effect.Effect<number>
}

export interface ReaperOptions {
  readonly provider: Context.Tag.Service<SandboxProvider>
  /** What all sandboxes of this instance carry, whichever life of it made them. */
  readonly tags: Readonly<Record<string, string>>
  /** Tells which sandboxes have an owner at the moment in which it is asked. */
  readonly owned: Effect.Effect<(sandbox: ListedSandbox) => boolean>
  /** Seconds between looks. */
  readonly interval: number
}

/** A create whose answer was lost needs a moment until its sandbox can be listed. */
const settling = Duration.seconds(1)

const killAttempts = Schedule.intersect(Schedule.exponential("200 millis"), Schedule.recurs(3))

/** How long one look, one kill, and the last look of all may take. */
const listBound = Duration.seconds(30)
const killBound = Duration.seconds(15)
const lastBound = Duration.seconds(5)

const bounded =
  (bound: Duration.Duration) =>
  <A>(effect: Effect.Effect<A, SandboxFailure>) =>
    effect.pipe(Effect.disconnect, Effect.interruptible, Effect.timeout(bound))

/**
 * Looks at once, at every interval, when woken, and at the end of the scope if there was no look since it was woken.
 */
export const make = Effect.fnUntraced(function* ({ interval, owned, provider, tags }: ReaperOptions) {
  const reaped = yield* Ref.make(0)
  const wakes = yield* Queue.sliding<void>(1)
  const isWoken = yield* Ref.make(false)

  const kill = ({ id, metadata }: ListedSandbox) =>
    provider.kill(id).pipe(
      Effect.retry({ schedule: killAttempts, while: ({ retryable }) => retryable }),
      bounded(killBound),
      Effect.zipRight(Ref.update(reaped, (count) => count + 1)),
      Effect.zipRight(Effect.logWarning("Ended a sandbox without an owner", { sandboxId: id, ...metadata })),
      Effect.as(1),
      Effect.catchAllCause((cause) =>
        Effect.as(Effect.logWarning("A sandbox without an owner was not ended", { sandboxId: id }, cause), 0)
      )
    )

  // What had an owner when we asked, and no longer has, ended in the ordinary way.
  const orphans = Effect.gen(function* () {
    // First, so that what loses its owner meanwhile is looked for once more.
    yield* Ref.set(isWoken, false)
    const wasOwned = yield* owned
    const sandboxes = yield* bounded(listBound)(provider.list(tags))
    const isOwned = yield* owned
    return sandboxes.filter((sandbox) => !wasOwned(sandbox) && !isOwned(sandbox))
  })

  const sweep = orphans.pipe(
    Effect.flatMap(Effect.forEach(kill, { concurrency: 4 })),
    Effect.map((ended) => ended.reduce((sum, one) => sum + one, 0)),
    Effect.catchAllCause((cause) =>
      Effect.as(Effect.logWarning("The sandboxes of this instance could not be listed", cause), 0)
    )
  )

  const madeBy = (life: string) => bounded(listBound)(provider.list({ life }))
  const bury = (life: string) =>
    madeBy(life).pipe(
      Effect.flatMap(Effect.forEach(kill, { concurrency: 4, discard: true })),
      Effect.zipRight(Effect.delay(madeBy(life), settling)),
      Effect.map((left) => left.length === 0),
      Effect.catchAllCause((cause) =>
        Effect.as(
          Effect.logWarning("The sandboxes of a dead life could not be listed", { life }, cause),
          false
        )
      )
    )

  const pause = Effect.raceFirst(
    Effect.sleep(Duration.seconds(interval)),
    Effect.zipRight(Queue.take(wakes), Effect.sleep(settling))
  )
  yield* Effect.forkScoped(Effect.interruptible(Effect.forever(Effect.zipRight(sweep, pause))))
  const lastSweep = sweep.pipe(Effect.disconnect, Effect.interruptible, Effect.timeoutOption(lastBound))
  yield* Effect.addFinalizer(() => Effect.whenEffect(lastSweep, Ref.get(isWoken)))

  const reaper: Reaper = {
    sweep,
    bury,
    wake: Effect.zipRight(Ref.set(isWoken, true), Queue.offer(wakes, undefined)),
    reaped: Ref.get(reaped)
  }
  return reaper
})
