import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import type { ExecutionResult } from "@bulkhead/domain"
import { NodeRuntime } from "@effect/platform-node"
import { Array, Console, Effect, Either, Fiber, Random, Ref, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as HostProcesses from "./HostProcesses.js"
import { diedAsTold, type Hop, hopping, hoppingFast } from "./hostile/Hops.js"
import { type HostileProgram, settings } from "./hostile/HostileProgram.js"
import { ooms } from "./hostile/Ooms.js"
import * as ServerProcess from "./ServerProcess.js"

const [hopCount = 200, oomCount = 100, seed = 1] = process.argv.slice(2).map(Number)

/** What came of a program, and what was wrong with it. */
interface Finding {
  readonly name: string
  readonly verdict: string
  readonly lies: ReadonlyArray<string>
}

const check = (
  verdicts: HostileProgram["verdict"],
  result: ExecutionResult,
  also: HostileProgram["also"]
) => {
  const told = Either.try({ try: () => also?.(result), catch: String })
  return [
    ...([verdicts].flat().includes(result.verdict) ? [] : [`${result.verdict}: ${result.error?.message}`]),
    ...(result.receipt?.survivors === 0 ? [] : [`survivors: ${result.receipt?.survivors}`]),
    ...(Either.isLeft(told) ? [told.left] : [])
  ]
}

const run = Effect.fnUntraced(function* (program: HostileProgram) {
  const { also, code, files, language, name, timeout, verdict } = program
  const mark = randomUUID()
  const result = yield* Caller.execute({
    ...{ code, language, timeout: timeout ?? 10, files: files ?? [], env: { MARK: mark } }
  })
  const left = yield* HostProcesses.marked(mark)
  const lies = check(verdict, result, also)
  return {
    name,
    verdict: result.verdict,
    lies: left.length === 0 ? lies : [...lies, `${left.length} processes outlive the sandbox`]
  } satisfies Finding
})

const kinds: ReadonlyArray<Hop | "page"> = ["page", "page", "fork", "sibling", "thread"]

/** Somebody who hops in one of the ways, with a pause between hops from none to some 20 ms. */
const hopper = Effect.gen(function* () {
  const kind = kinds[yield* Random.nextIntBetween(0, kinds.length)] ?? "page"
  const pause = Math.round(10 ** (yield* Random.nextRange(0, 4.3)) - 1)
  return {
    name: `${kind}, a hop every ${pause} µs`,
    language: "python",
    code: kind === "page" ? hoppingFast(1000 * pause) : hopping(kind, pause),
    verdict: ["Completed", "ProcessLimitExceeded"],
    also: diedAsTold
  } satisfies HostileProgram
})

const availableMB = Effect.sync(() => {
  const [, available] = /^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? []
  return Number(available) / 1024
})

/** The most by which the machine's available memory fell meanwhile, whoever took it. */
const withFall = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* availableMB
    const least = yield* Ref.make(before)
    const look = Effect.flatMap(availableMB, (now) => Ref.update(least, (known) => Math.min(known, now)))
    const watcher = yield* Effect.fork(Effect.repeat(look, Schedule.spaced("10 millis")))
    const value = yield* effect
    yield* Fiber.interrupt(watcher)
    return [before - (yield* Ref.get(least)), value] as const
  })

const tell = ({ lies, name }: Finding) => Effect.forEach(lies, (lie) => Console.error(`${name}: ${lie}`))

const summary = (what: string, findings: ReadonlyArray<Finding>) => {
  const verdicts = Object.entries(Array.groupBy(findings, ({ verdict }) => verdict))
  const liars = findings.filter(({ lies }) => lies.length > 0).length
  if (liars > 0) process.exitCode = 1
  return Console.log(
    `${findings.length} ${what}: ${verdicts.map(([name, all]) => `${all.length} ${name}`).join(", ")}; ${liars} lies`
  )
}

const attack = Effect.gen(function* () {
  const hoppers = yield* Effect.replicateEffect(hopper, hopCount)
  const hops = yield* Effect.forEach(hoppers, (program) => Effect.tap(run(program), tell), { concurrency: 2 })
  yield* summary("hops", hops)
  const rounds = Array.replicate(ooms, Math.ceil(oomCount / ooms.length))
  const hoarders = Array.take(Array.flatten(rounds), oomCount)
  const fallen = yield* Effect.forEach(hoarders, (program) => withFall(Effect.tap(run(program), tell)))
  yield* summary(
    "programs out of memory",
    fallen.map(([, finding]) => finding)
  )
  const falls = fallen.map(([fall]) => fall).sort((a, b) => a - b)
  const at = (part: number) => Math.round(falls[Math.floor((falls.length - 1) * part)] ?? 0)
  yield* Console.log(`available memory fell by ${at(0.5)} MB in the middle, ${at(1)} MB at most`)
}).pipe(Effect.withRandom(Random.make(seed)))

const command = Effect.gen(function* () {
  // Enough processes that hops are not stopped by the dead that nobody has waited for yet.
  const server = yield* ServerProcess.start({ ...settings, SANDBOX_MAX_PROCESSES: "512" })
  yield* Effect.provideService(attack, ServerProcess.ServerProcess, server)
}).pipe(Effect.scoped)

NodeRuntime.runMain(command)
