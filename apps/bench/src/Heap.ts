import { Effect } from "effect"
import { BenchFailure } from "./BenchFailure.js"

/** Collects garbage; needs a process with `--expose-gc`. */
export const collect = Effect.suspend(() => {
  if (globalThis.gc === undefined)
    return new BenchFailure({ message: "node was started without --expose-gc" })
  globalThis.gc()
  return Effect.void
})

/** Bytes of the heap that are in use once garbage is collected. */
export const held = Effect.map(collect, () => process.memoryUsage().heapUsed)
