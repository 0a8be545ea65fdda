import { Clock, Duration, Effect, type Scheduler } from "effect"

interface Timer {
  readonly at: number
  readonly process: SimulatedProcess
  readonly run: () => void
}

interface Task {
  readonly process: SimulatedProcess
  readonly run: () => void
}

/** When every simulation begins: milliseconds since the epoch. */
export const beginning = 1_700_000_000_000

/** More tasks than this at one instant are a loop that never rests. */
const tasksAtOnce = 200_000

/**
 * Time that passes only when it is told to, and the one queue in which everything runs. `TestClock` waits for turns of
 * Node's event loop at every step, milliseconds each; here nothing waits, and the same steps always run in the same
 * order.
 */
export class SimulationTime {
  now = beginning
  private tasks: Array<Task> = []
  private readonly timers: Array<Timer> = []

  /**
   * Runs something at a later time, unless its process is dead by then or it is cancelled. Whether it still could be.
   */
  after(process: SimulatedProcess, milliseconds: number, run: () => void): () => boolean {
    const timer: Timer = { at: this.now + Math.ceil(milliseconds), process, run }
    let place = this.timers.length
    while (place > 0 && (this.timers[place - 1]?.at ?? 0) > timer.at) place--
    this.timers.splice(place, 0, timer)
    return () => {
      const place = this.timers.indexOf(timer)
      if (place >= 0) this.timers.splice(place, 1)
      return place >= 0
    }
  }

  soon(task: Task): void {
    this.tasks.push(task)
  }

  /** Lets everything that can happen now happen. Whether it came to rest. */
  settle(): boolean {
    let left = tasksAtOnce
    while (left > 0) {
      if (this.tasks.length === 0 && !this.fire(this.now)) return true
      const { tasks } = this
      this.tasks = []
      left -= tasks.length
      for (const { process, run } of tasks) if (process.isAlive) run()
    }
    return false
  }

  /** Lets time pass; after each instant at which something happened, says so. Ends early when that says false. */
  pass(milliseconds: number, onInstant: () => boolean): void {
    const end = this.now + milliseconds
    for (let next = this.timers[0]; next !== undefined && next.at <= end; next = this.timers[0]) {
      this.now = Math.max(this.now, next.at)
      if (!this.settle() || !onInstant()) return
    }
    this.now = end
  }

  private fire(until: number): boolean {
    const timer = this.timers[0]
    if (timer === undefined || timer.at > until) return false
    this.timers.shift()
    if (timer.process.isAlive) timer.run()
    return true
  }
}

/**
 * A process whose fibers run in simulated time. Once it is killed nothing of it runs any more, its finalizers included.
 */
export class SimulatedProcess {
  isAlive = true
  readonly scheduler: Scheduler.Scheduler
  readonly clock: Clock.Clock

  constructor(time: Pick<SimulationTime, "now" | "soon" | "after">) {
    this.scheduler = {
      shouldYield: (fiber) => (fiber.currentOpCount > 2048 ? 0 : false),
      scheduleTask: (run) => time.soon({ process: this, run })
    }
    this.clock = {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => time.now,
      unsafeCurrentTimeNanos: () => BigInt(time.now) * 1_000_000n,
      currentTimeMillis: Effect.sync(() => time.now),
      currentTimeNanos: Effect.sync(() => BigInt(time.now) * 1_000_000n),
      sleep: (duration) =>
        Effect.async((resume) => {
          if (!Duration.isFinite(duration)) return
          const cancel = time.after(this, Duration.toMillis(duration), () => resume(Effect.void))
          return Effect.sync(cancel)
        })
    }
  }

  kill(): void {
    this.isAlive = false
  }
}
