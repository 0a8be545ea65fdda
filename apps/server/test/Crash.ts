import { randomUUID } from "node:crypto"
import { Effect, Exit, Fiber, Option, Random } from "effect"
import * as Checks from "./CrashChecks.js"
import * as Load from "./CrashLoad.js"
import * as Moment from "./CrashMoment.js"
import * as Traces from "./CrashTraces.js"
import * as ServerProcess from "./ServerProcess.js"

export interface CrashOptions {
  /** How often a server is killed. */
  readonly kills: number
  /** The same seed gives the same moments and requests; what the machine makes of them is another matter. */
  readonly seed: number
  /** The round to begin with; 0 unless told. */
  readonly firstRound?: number
  /** The data directory of all lives of the server. */
  readonly directory: string
  readonly onRound?: (round: Round, summary: Summary) => Effect.Effect<void>
}

/** One life of the server, and what was found amiss in it. */
export interface Round {
  readonly round: number
  readonly moment: Moment.Moment
  readonly violations: ReadonlyArray<string>
}

export interface Summary {
  /** Servers that were killed; those that had drained before are not counted. */
  readonly kills: number
  /** Executions whose results callers got, that a kill interrupted, and in all. */
  readonly answered: number
  readonly interrupted: number
  readonly executions: number
  /** Of the audit log. */
  readonly events: number
  readonly broken: ReadonlyArray<Round>
}

interface Play {
  readonly options: CrashOptions
  readonly ledger: Checks.Ledger
  readonly mark: string
}

const settings = ({ directory }: CrashOptions) => ({
  SANDBOX_DATA_DIR: directory,
  SANDBOX_INSTANCE: "crash",
  SANDBOX_KILL_GRACE_PERIOD: "1",
  // Fewer places than callers, so that some wait and some are turned away.
  SANDBOX_MAX_CONCURRENT_SANDBOXES: "4",
  SANDBOX_MAX_QUEUED: "2"
})

/** How long callers may take to see that their server is gone. */
const farewell = "10 seconds"

type Launched = Effect.Effect.Success<ReturnType<typeof ServerProcess.launch>>

/** Waits for a server to listen, and checks what the ones before it have left. */
const takeUp = Effect.fnUntraced(function* (
  { ledger }: Play,
  server: Launched,
  check: (ledger: Checks.Ledger) => ReturnType<typeof Checks.afterStart> = Checks.afterStart
) {
  const exit = yield* Effect.exit(Effect.timeout(server.listening, "30 seconds"))
  if (Exit.isFailure(exit)) return { found: [`the server does not start: ${exit.cause}`] }
  const service = ServerProcess.ServerProcess.of({ url: exit.value, kill: server.kill, ended: server.ended })
  const found = yield* Effect.provideService(check(ledger), ServerProcess.ServerProcess, service)
  return { service, found }
})

/** Lets callers loose until the moment has come. */
const busyUntil = Effect.fnUntraced(function* (
  { ledger, mark, options }: Play,
  round: number,
  moment: Exclude<Moment.Moment, { readonly _tag: "Starting" }>,
  service: ServerProcess.ServerProcess["Type"]
) {
  const load = yield* Load.run({ name: `${options.seed}.${round}`, mark, journal: ledger.journal }).pipe(
    Effect.provideService(ServerProcess.ServerProcess, service),
    Effect.fork
  )
  if (moment._tag === "Draining") {
    yield* Effect.sleep(moment.stopAfter)
    yield* service.kill("SIGTERM")
  }
  yield* Effect.sleep(moment.after)
  return load
})

const end = Effect.fnUntraced(function* ({ ledger, mark }: Play, server: Launched, name: string) {
  yield* server.kill("SIGKILL")
  const { code, signal, stderr } = yield* server.ended
  const left = yield* Effect.flatMap(Traces.awaitNoProcess(name, mark), Traces.end)
  ledger.dead.add(name)
  const isRight = signal === "SIGKILL" || code === 0
  return {
    wasKilled: signal === "SIGKILL",
    found: [
      ...(isRight ? [] : [`the server ended by itself, ${code ?? signal}: ${stderr}`]),
      ...left.map((process) => `a process outlives its server: ${process}`)
    ]
  }
})

const play = Effect.fnUntraced(function* (it: Play, round: number) {
  const random = Random.make(`${it.options.seed}.${round}`)
  const moment = yield* Effect.withRandom(Moment.random(round), random)
  const server = yield* ServerProcess.launch(settings(it.options))
  const name = yield* Traces.nameOf(server.pid)
  if (moment._tag === "Starting") {
    yield* Effect.sleep(moment.after)
    const { found, wasKilled } = yield* end(it, server, name)
    return { round, moment, wasKilled, violations: found }
  }
  const { found, service } = yield* takeUp(it, server)
  const load = service === undefined ? undefined : yield* busyUntil(it, round, moment, service)
  const ended = yield* end(it, server, name)
  const left =
    load === undefined ? Option.some(undefined) : yield* Effect.timeoutOption(Fiber.join(load), farewell)
  const hanging = Option.isNone(left) ? ["callers wait for a server that is gone"] : []
  return { round, moment, wasKilled: ended.wasKilled, violations: [...found, ...ended.found, ...hanging] }
}, Effect.scoped)

/** A last life that nobody kills, in which all is checked once more. */
const finish = Effect.fnUntraced(function* (it: Play) {
  const server = yield* ServerProcess.launch(settings(it.options))
  const { found } = yield* takeUp(it, server, (ledger) =>
    Effect.zipWith(Checks.afterStart(ledger), Checks.atTheEnd(ledger), (first, last) => [...first, ...last])
  )
  yield* server.kill("SIGTERM")
  const { code, stderr } = yield* server.ended
  return [...found, ...(code === 0 ? [] : [`the server does not stop in peace: ${stderr}`])]
}, Effect.scoped)

/** Kills servers one after the other, each in the middle of its work, and looks whether the next finds everything. */
export const run = Effect.fnUntraced(function* (options: CrashOptions) {
  const it: Play = { options, ledger: Checks.emptyLedger(), mark: randomUUID() }
  const { ledger } = it
  const broken: Array<Round> = []
  let kills = 0
  const summary = (): Summary => ({
    kills,
    answered: Checks.answered(ledger).size,
    interrupted: ledger.interrupted,
    executions: ledger.ended.size,
    events: ledger.checkedEvents,
    broken
  })
  const note = (round: Round) => {
    if (round.violations.length > 0) broken.push(round)
    return options.onRound?.(round, summary()) ?? Effect.void
  }
  yield* ServerProcess.bundled
  let round = options.firstRound ?? 0
  for (; kills < options.kills; round++) {
    const { wasKilled, ...played } = yield* play(it, round)
    if (wasKilled) kills++
    yield* note(played)
  }
  const violations = yield* finish(it)
  yield* note({ round, moment: { _tag: "Busy", after: 0 }, violations })
  return summary()
})
