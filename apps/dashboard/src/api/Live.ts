import type { LoadSample, LoadTick } from "@bulkhead/domain"
import { signal } from "@preact/signals"
import { atBeat } from "./Beat.js"
import { listen } from "./Stream.js"

/** Undefined until the first came. */
export const tick = signal<LoadTick | undefined>(undefined)

/** The last hour, oldest first, and last of all what is now. */
export const samples = signal<ReadonlyArray<LoadSample>>([])

/** Changes when executions have changed, and when a connection is there again. */
export const revision = signal("")

export const isConnected = signal(false)

const hour = 3_600_000
const sampleInterval = 10_000

const sampleOf = ({ at, metrics }: LoadTick): LoadSample => ({
  at,
  active: metrics.activeExecutions,
  queued: metrics.queuedExecutions,
  users: metrics.totalUsers,
  poolIdle: metrics.pool.idle,
  poolTarget: metrics.pool.target
})

let connections = 0
/** Those that stay. */
let kept: ReadonlyArray<LoadSample> = []

const take = (latest: LoadTick) => {
  const sample = sampleOf(latest)
  const since = latest.at - (kept.at(-1)?.at ?? 0)
  if (since >= sampleInterval) kept = [...kept.filter(({ at }) => at > latest.at - hour), sample]
  samples.value = since >= sampleInterval ? kept : [...kept, sample]
  tick.value = latest
  revision.value = `${connections}-${latest.revision}`
}

/** Reads along until it is aborted. */
export const follow = (abort: AbortSignal): Promise<void> =>
  listen(
    "/live",
    {
      onConnected: (now) => {
        if (now) connections++
        isConnected.value = now
      },
      onEvent: ({ data, event }) => {
        if (event === "history") kept = JSON.parse(data)
        if (event === "tick") atBeat(() => take(JSON.parse(data)))
      }
    },
    abort
  )
