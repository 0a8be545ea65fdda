import { Duration, Effect, Exit, type Fiber, Runtime, type Scope } from "effect"
import { Once } from "./Once.js"

/** Calls back when it is time. */
export interface Timers {
  /** Calls back after so long, unless what it gives is called before. */
  readonly after: (delay: Duration.Duration, ring: () => void) => () => void
  /** Whether an effect succeeds in time. One that does not is interrupted then, and nobody waits for its end. */
  readonly succeedsWithin: <E>(
    effect: Effect.Effect<unknown, E>,
    period: Duration.Duration
  ) => Effect.Effect<boolean>
}

interface Timer {
  readonly due: number
  readonly ring: () => void
  isSet: boolean
}

/**
 * One fiber sleeps for everyone who waits: a sleep each, raced against what it bounds, costs more than most of what is bounded. It ends with
 * the scope, but not before what was set by then, or is set by what goes on after that.
 */
export const make: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function* () {
  const fork = Runtime.runFork(yield* Effect.runtime())
  const clock = yield* Effect.clock
  /** Milliseconds of a clock that nobody sets. */
  const now = () => Number(clock.unsafeCurrentTimeNanos()) / 1e6
  /** By their delay: so each line is in the order in which its timers are due. */
  const lines = new Map<number, Set<Timer>>()
  const isEarlier = yield* Effect.makeLatch()
  let wakesAt = Number.POSITIVE_INFINITY
  let sleeper: Fiber.RuntimeFiber<void> | undefined
  let isClosing = false

  const takeDue = (): Array<Timer> => {
    const until = now()
    const due: Array<Timer> = []
    wakesAt = Number.POSITIVE_INFINITY
    for (const [millis, line] of lines) {
      for (const timer of line) {
        if (timer.due > until) {
          wakesAt = Math.min(wakesAt, timer.due)
          break
        }
        line.delete(timer)
        due.push(timer)
      }
      if (line.size === 0) lines.delete(millis)
    }
    return due.sort((a, b) => a.due - b.due)
  }

  const ringDue = Effect.suspend(() =>
    Effect.forEach(
      takeDue(),
      // Another's ring may have cancelled it.
      ({ isSet, ring }) => (isSet ? Effect.ignoreLogged(Effect.try(ring)) : Effect.void),
      { discard: true }
    )
  )
  // Whatever is cancelled meanwhile, it sleeps on: most timers are, and the next one is due later.
  const nextTurn = Effect.suspend(() => {
    isEarlier.unsafeClose()
    const left = Math.ceil(wakesAt - now())
    if (left <= 0) return ringDue
    if (left === Number.POSITIVE_INFINITY) return isEarlier.await
    return Effect.raceFirst(Effect.sleep(Duration.millis(left)), isEarlier.await)
  })
  const isWanted = () => !isClosing || lines.size > 0
  const sleep = Effect.whileLoop({ while: isWanted, body: () => nextTurn, step: () => {} })
  const wake = () => {
    if (sleeper !== undefined) return isEarlier.unsafeOpen()
    const fiber = fork(sleep)
    sleeper = fiber
    fiber.addObserver(() => {
      sleeper = undefined
      // Set between the interrupt and the end.
      if (lines.size > 0) wake()
    })
  }
  wake()
  const restIfUnwanted = () => {
    if (!isWanted() && sleeper !== undefined) sleeper.unsafeInterruptAsFork(sleeper.id())
  }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isClosing = true
      restIfUnwanted()
    })
  )

  const after: Timers["after"] = (delay, ring) => {
    const millis = Math.ceil(Duration.toMillis(delay))
    const timer: Timer = { due: now() + millis, ring, isSet: true }
    const line = lines.get(millis) ?? new Set()
    lines.set(millis, line.add(timer))
    if (timer.due < wakesAt || sleeper === undefined) {
      wakesAt = Math.min(wakesAt, timer.due)
      wake()
    }
    return () => {
      timer.isSet = false
      line.delete(timer)
      if (line.size === 0 && lines.get(millis) === line) lines.delete(millis)
      restIfUnwanted()
    }
  }

  const succeedsWithin: Timers["succeedsWithin"] = (effect, period) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), (fiber) => {
        const succeeded = new Once<boolean>()
        const cancel = after(period, () => {
          succeeded.settle(false)
          fiber.unsafeInterruptAsFork(fiber.id())
        })
        fiber.addObserver((exit) => {
          cancel()
          succeeded.settle(Exit.isSuccess(exit))
        })
        return restore(succeeded.settled)
      })
    )

  return { after, succeedsWithin }
})
