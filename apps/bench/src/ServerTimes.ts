import type { ExecutionResult } from "@bulkhead/domain"
import { Duration, Effect } from "effect"
import * as Machine from "./Machine.js"
import { type Latency, latency, MeasurementFailure } from "./Measurement.js"
import * as ServerUnderTest from "./ServerUnderTest.js"

/** One start of a server on a machine that has everything; milliseconds from the start of its process. */
export interface StartUp {
  readonly healthyMs: number
  readonly firstExecutionMs: number
  /** Memory of the idle server after that, in MiB. */
  readonly residentMB: number
}

const unexpected = (what: string, result: ExecutionResult) =>
  new MeasurementFailure({ message: `${what}: ${JSON.stringify(result)}` })

/** Starts a server as `npm start` does, asks for its health and for one execution, and stops it. */
export const startUp = Effect.fn("ServerTimes.startUp")(function* (directory: string) {
  const [toHealth, server] = yield* ServerUnderTest.start(directory, "scripts/start.mjs").pipe(
    Effect.tap(ServerUnderTest.health),
    Effect.timed
  )
  const [toExecution] = yield* ServerUnderTest.execute(server, { code: "print(1)" }).pipe(
    Effect.filterOrFail(
      ({ stdout, verdict }) => verdict === "Completed" && stdout === "1\n",
      (result) => unexpected("the first execution", result)
    ),
    Effect.timed
  )
  const found: StartUp = {
    healthyMs: Duration.toMillis(toHealth),
    firstExecutionMs: Duration.toMillis(Duration.sum(toHealth, toExecution)),
    residentMB: yield* Machine.residentMB(server.pid)
  }
  return found
}, Effect.scoped)

/** Latency of the smallest program that says something, on a server that is warm and otherwise idle. */
export const hello = Effect.fn("ServerTimes.hello")(function* (
  server: ServerUnderTest.ServerUnderTest,
  duration: Duration.Duration
) {
  const greet = yield* ServerUnderTest.load("hello", server, 'print("Hello, World!")', "Hello, World!\n")
  return latency((yield* greet(1, duration)).latencies)
})

/** How late the hard timeout of a program that ignores SIGTERM is. */
export interface TimeoutAccuracy {
  readonly atOnce: number
  /** From the deadline to the SIGTERM, as the receipt has it. */
  readonly toTerm: Latency
  /** From the deadline to the moment when the program itself, by its own clock, met the signal. */
  readonly toTermMet: Latency
  /** From the end of the grace period to the moment when no process of the program was left. */
  readonly toDead: Latency
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
    return unexpected("timeout accuracy", result)
  return Effect.succeed({
    toTerm: term.atMs - timeout * 1000,
    toTermMet: met - timeout * 1000,
    toDead: deadAtMs - term.atMs - ServerUnderTest.gracePeriod * 1000
  })
}

/** Lets so many programs run into their timeout at once. By its seconds all of them must be asleep. */
export const timeouts = Effect.fn("ServerTimes.timeouts")(function* (
  server: ServerUnderTest.ServerUnderTest,
  atOnce: number,
  timeout: number
) {
  const each = Effect.flatMap(ServerUnderTest.execute(server, { code: sleeper, timeout }), lateness(timeout))
  const all = yield* Effect.replicateEffect(each, atOnce, { concurrency: "unbounded" })
  const accuracy: TimeoutAccuracy = {
    atOnce,
    toTerm: latency(all.map(({ toTerm }) => toTerm)),
    toTermMet: latency(all.map(({ toTermMet }) => toTermMet)),
    toDead: latency(all.map(({ toDead }) => toDead))
  }
  return accuracy
})
