import * as OperatingSystem from "node:os"
import { Effect } from "effect"

/** Where the numbers come from. */
export interface MachineFacts {
  readonly cores: number
  readonly processor: string
  readonly kernel: string
  readonly node: string
  /** Of the last minute, five and fifteen. */
  readonly load: ReadonlyArray<number>
}

export const read: Effect.Effect<MachineFacts> = Effect.sync(() => ({
  cores: OperatingSystem.cpus().length,
  processor: OperatingSystem.cpus()[0]?.model.trim() ?? "unknown",
  kernel: OperatingSystem.release(),
  node: process.versions.node,
  load: OperatingSystem.loadavg()
}))
