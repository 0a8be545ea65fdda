import type { ExecutionResult } from "@bulkhead/domain"
import { Effect } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as Client from "./Client.js"
import { gracePeriod, type ServerUnderTest } from "./ServerUnderTest.js"
import * as Statistics from "./Statistics.js"

/** How late the hard timeout of a program that ignores SIGTERM is; milliseconds. */
export interface TimeoutAccuracy {
  readonly atOnce: number
  /** From the deadline to the SIGTERM, as the receipt has it. */
  readonly toTerm: Statistics.Latency
  /** From the deadline to the moment when the program itself, by its own clock, met the signal. */
  readonly toTermMet: Statistics.Latency
  /** From the end of the grace period to the moment when no process of the program was left. */
  readonly toDead: Statistics.Latency
}

/** Ignores SIGTERM, but tells how old its process was when it came: the kernel has a process's start to 10 ms. */
const sleeper = `
import os, signal, time
with open("/proc/self/stat") as stat:
    started = int(stat.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
def meet(*_):
    print((time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1000, flush=True)
signal.signal(signal.SIGTERM, meet)
while True:
    time.sleep(60)
`

const lateness = (timeout: number) => (result: ExecutionResult) => {
  const { deadAtMs, signals: [term, kill] = [] } = result.receipt ?? {}
  const met = Number.parseFloat(result.stdout)
  const asExpected =
    result.verdict === "TimeLimitExceeded" && term?.signal === "SIGTERM" && kill !== undefined
  if (!asExpected || deadAtMs === undefined || Number.isNaN(met))
    return new BenchFailure({ message: `timeout accuracy: ${JSON.stringify(result)}` })
  return Effect.succeed({
    toTerm: term.atMs - timeout * 1000,
    toTermMet: met - timeout * 1000,
    toDead: deadAtMs - term.atMs - gracePeriod * 1000
  })
}

/** Lets so many programs run into their timeout at once; seconds enough for all to be asleep before the first deadline. */
export const measure = Effect.fnUntraced(function* (
  server: ServerUnderTest,
  atOnce: number,
  timeout: number
) {
  const each = Effect.flatMap(Client.execute(server, sleeper, timeout), lateness(timeout))
  const all = yield* Effect.replicateEffect(each, atOnce, { concurrency: "unbounded" })
  const accuracy: TimeoutAccuracy = {
    atOnce,
    toTerm: Statistics.latency(all.map(({ toTerm }) => toTerm)),
    toTermMet: Statistics.latency(all.map(({ toTermMet }) => toTermMet)),
    toDead: Statistics.latency(all.map(({ toDead }) => toDead))
  }
  return accuracy
}, Effect.provide(Client.layer))
