import { Clock, Effect, Option } from "effect"
import type { GuestUsage } from "../Guest/GuestSandbox.js"
import * as SteadyClock from "../SteadyClock.js"
import * as ThisProcess from "../ThisProcess.js"

/** What a sandbox used at one moment. Sizes are in bytes. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly cpuCount: number
  /** Of all its processors, since the sample before. */
  readonly cpuUsedPct: number
  /** Without the cache. */
  readonly memUsed: number
  readonly memTotal: number
  readonly memCache: number
  readonly diskUsed: number
  readonly diskTotal: number
}

/** The samples of one sandbox. */
export interface SandboxMetrics {
  /** Takes a sample for the history. */
  readonly record: Effect.Effect<void>
  /** The history, and how it is now. */
  readonly read: Effect.Effect<ReadonlyArray<Sample>>
}

/** Milliseconds between the samples of the history, as E2B takes them. */
export const INTERVAL = 5000
/** An hour of them. */
const MOST_KEPT = 720
/** Milliseconds over which a share of CPU time is measured at least. */
const SHORTEST = 200

interface Mark {
  /** Milliseconds of the `SteadyClock`. */
  readonly at: number
  readonly cpuMicros: number
}

const share = (from: Mark, to: Mark) =>
  (100 * (to.cpuMicros - from.cpuMicros)) / 1000 / Math.max(1, to.at - from.at) / ThisProcess.processors

/** The samples of a sandbox that was born at this time of the `SteadyClock`. `memoryBytes` is what it may use. */
export const make = (
  usage: Effect.Effect<Option.Option<GuestUsage>>,
  bornAt: number,
  memoryBytes: number
): SandboxMetrics => {
  const history: Array<Sample> = []
  let before: Mark = { at: bornAt, cpuMicros: 0 }
  let mark = before
  const sampleOf = (at: number, now: Mark, used: GuestUsage): Sample => {
    if (now.at - mark.at >= SHORTEST) before = mark
    return {
      ...{ at, cpuCount: ThisProcess.processors, cpuUsedPct: Math.round(share(before, now) * 100) / 100 },
      memUsed: used.memoryBytes - used.cacheBytes,
      ...{ memTotal: memoryBytes, memCache: used.cacheBytes },
      ...{ diskUsed: used.diskBytes, diskTotal: used.diskTotalBytes }
    }
  }
  const sample = Effect.map(
    Effect.all([usage, Clock.currentTimeMillis, SteadyClock.now]),
    ([used, at, steady]) =>
      Option.map(used, (found) => {
        const now = { at: steady, cpuMicros: found.cpuMicros }
        const taken = sampleOf(at, now, found)
        if (now.at - mark.at >= SHORTEST) mark = now
        return taken
      })
  )
  return {
    record: Effect.map(sample, (taken) => {
      if (Option.isSome(taken)) history.push(taken.value)
      if (history.length > MOST_KEPT) history.shift()
    }),
    read: Effect.map(sample, (taken) => [...history, ...Option.toArray(taken)])
  }
}
