import type { SimulatedProcess, SimulationTime } from "../../testing/src/SimulationTime.js"

type Task = Parameters<SimulationTime["soon"]>[0]

/** Time as one process sees it, that may stand still for a while and then does everything that came meanwhile. */
export class PausableTime {
  private readonly time: SimulationTime
  private isPaused = false
  private parked: Array<Task> = []

  constructor(time: SimulationTime) {
    this.time = time
  }

  get now(): number {
    return this.time.now
  }

  private orPark(task: Task): void {
    if (this.isPaused) this.parked.push(task)
    else task.run()
  }

  soon(task: Task): void {
    this.time.soon({ ...task, run: () => this.orPark(task) })
  }

  after(process: SimulatedProcess, milliseconds: number, run: () => void): () => boolean {
    return this.time.after(process, milliseconds, () => this.orPark({ process, run }))
  }

  pause(): void {
    this.isPaused = true
  }

  goOn(): void {
    this.isPaused = false
    const { parked } = this
    this.parked = []
    for (const task of parked) this.time.soon(task)
  }
}
