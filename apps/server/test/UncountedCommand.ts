import { readFileSync, writeFileSync } from "node:fs"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as Caller from "./Caller.js"
import { type HostileProgram, settings } from "./hostile/HostileProgram.js"
import { memory } from "./hostile/Memory.js"
import { uncounted } from "./hostile/Uncounted.js"
import * as ServerProcess from "./ServerProcess.js"

const [memoryMB = 256, tries = 5] = process.argv.slice(2).map(Number)

/** What a sandbox may take of the machine beside its memory. */
const TOLERANCE = 1.1
const POOL = "/proc/sys/vm/nr_hugepages"
const POOL_PAGES = 16

const availableMB = Effect.sync(
  () => Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) / 1024
)

/** How far the machine's available memory falls while a program runs. */
const fallDuring = Effect.fn(function* ({ code, files, language, timeout }: HostileProgram) {
  const before = yield* availableMB
  let lowest = before
  const look = Effect.map(availableMB, (now) => {
    lowest = Math.min(lowest, now)
  })
  const looking = Effect.forever(Effect.zipRight(look, Effect.sleep("1 millis")))
  const run = Caller.execute({ code, language, timeout: timeout ?? 5, files: files ?? [] })
  const { verdict } = yield* Effect.raceFirst(run, looking)
  return { verdict, fallMB: before - lowest }
})

/** Others take and give back memory meanwhile, so the middle one of several. */
const usualFall = Effect.fn(function* (program: HostileProgram) {
  const falls = yield* Effect.replicateEffect(fallDuring(program), tries)
  const sorted = falls.sort((one, other) => one.fallMB - other.fallMB)
  return sorted[Math.floor(tries / 2)] ?? { fallMB: Number.NaN, verdict: "none" }
})

/** Huge pages that a program could take, given back with the scope. */
const pool = Effect.acquireRelease(
  Effect.sync(() => {
    const before = readFileSync(POOL, "utf8")
    writeFileSync(POOL, String(Number(before) + POOL_PAGES))
    return before
  }),
  (before) => Effect.sync(() => writeFileSync(POOL, before))
)

const command = Effect.gen(function* () {
  yield* pool
  for (const program of [...memory, ...uncounted]) {
    const { fallMB, verdict } = yield* usualFall(program)
    const holds = fallMB <= memoryMB * TOLERANCE
    yield* Console.log(
      `${holds ? "holds" : "FAILS"} ${fallMB.toFixed(0).padStart(5)} MB  ${program.name}: ${verdict}`
    )
    if (!holds) process.exitCode = 1
  }
}).pipe(
  Effect.scoped,
  Effect.provide(ServerProcess.layer({ ...settings, SANDBOX_MAX_MEMORY_MB: String(memoryMB) }))
)

NodeRuntime.runMain(command)
