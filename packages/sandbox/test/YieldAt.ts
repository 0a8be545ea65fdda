import { Scheduler } from "effect"

/** Calls back at one step of a fiber, of those for which `isCounting`, and lets other fibers run then. */
export const yieldAt = (
  step: number,
  callBack: () => void = () => {},
  isCounting: () => boolean = () => true
): Scheduler.Scheduler => {
  const inner = new Scheduler.MixedScheduler(2048)
  let steps = 0
  return {
    scheduleTask: (task, priority, fiber) => inner.scheduleTask(task, priority, fiber),
    shouldYield: (fiber) => {
      if (!isCounting() || ++steps !== step) return inner.shouldYield(fiber)
      callBack()
      return 0
    }
  }
}
