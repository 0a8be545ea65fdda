import { Scheduler } from "effect"

/** Calls back at one step of a fiber, and lets other fibers run then. */
export const yieldAt = (step: number, callBack: () => void = () => {}): Scheduler.Scheduler => {
  const inner = new Scheduler.MixedScheduler(2048)
  let steps = 0
  return {
    scheduleTask: (task, priority, fiber) => inner.scheduleTask(task, priority, fiber),
    shouldYield: (fiber) => {
      if (++steps !== step) return inner.shouldYield(fiber)
      callBack()
      return 0
    }
  }
}
