import { Effect, Scheduler } from "effect"

/** Milliseconds that the fibers of each priority work at a time, and all at least. To turn takes some hundredths. */
const longestWork = 2

/** How often the event loop turns before they go on with work that is left. */
const turnsBetween = 4

/** Works in order, also on what comes meanwhile, until all is done or the time is over. */
const work = (tasks: Array<Scheduler.Task>) => {
  const endsAt = performance.now() + longestWork
  let done = 0
  for (const task of tasks) {
    task()
    done += 1
    if (performance.now() >= endsAt) break
  }
  tasks.splice(0, done)
}

const afterTurns = (turns: number, then: () => void): void => {
  setImmediate(() => (turns > 1 ? afterTurns(turns - 1, then) : then()))
}

/**
 * Effect's own scheduler has a queue for each fiber: all that are ready work, and all that these wake, before the event
 * loop turns. With many executions that takes long, and Node takes one new connection of each port in a turn. Here all
 * fibers have one queue for each priority. Each has its own time, so that none waits until another has no more to do.
 */
const make = () => {
  const waiting = new Scheduler.PriorityBuckets()
  let isDue = false
  const workNow = () => {
    const endsAt = performance.now() + longestWork
    do {
      for (const [, tasks] of [...waiting.buckets]) work(tasks)
      isDue = waiting.buckets.some(([, tasks]) => tasks.length > 0)
    } while (isDue && performance.now() < endsAt)
    if (isDue) afterTurns(turnsBetween, workNow)
  }
  return Scheduler.make((task, priority) => {
    waiting.scheduleTask(task, priority)
    if (isDue) return
    isDue = true
    afterTurns(1, workNow)
  })
}

/** Lets what comes from outside have its turn every few milliseconds, whatever the program's fibers do. */
export const take = Effect.withScheduler(make())
