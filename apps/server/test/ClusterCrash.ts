import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { Effect, Fiber, Random, Schedule } from "effect"
import { makeCluster } from "../../../packages/store/test/PostgresCluster.js"
import * as Caller from "./Caller.js"
import * as ClusterLoad from "./ClusterLoad.js"
import * as ClusterObserver from "./ClusterObserver.js"
import * as Checks from "./CrashChecks.js"
import * as Traces from "./CrashTraces.js"
import * as ServerProcess from "./ServerProcess.js"

export interface ClusterCrashOptions {
  /** How often something happens to a server. */
  readonly rounds: number
  /** The same seed gives the same requests and victims; what the machine makes of them is another matter. */
  readonly seed: number
  readonly say: (line: string) => Effect.Effect<void>
}

export interface Summary {
  readonly rounds: number
  readonly executions: number
  readonly answered: number
  /** Answers that said of themselves that they are not kept. */
  readonly unkept: number
  readonly interrupted: number
  readonly observation: ClusterObserver.Observation
  readonly violations: ReadonlyArray<string>
}

export const describe = ({
  answered,
  executions,
  interrupted,
  observation,
  rounds,
  unkept,
  violations
}: Summary) =>
  `${executions} executions, ${answered} answered, ${unkept} unkept, ${interrupted} interrupted, at most ${observation.most} at once ` +
  `in ${observation.looks} looks, ${violations.length} violations in ${rounds} rounds`

const caps: ClusterObserver.Caps = { all: 5, perUser: 2 }

/** One of the replicas, in its present life. */
interface Replica {
  readonly directory: string
  /** Absent while it is down. */
  life: Life | undefined
}

interface Life {
  readonly name: string
  readonly service: ServerProcess.ServerProcess["Type"]
}

interface Run {
  readonly options: ClusterCrashOptions
  readonly databaseUrl: string
  readonly replicas: ReadonlyArray<Replica>
  readonly ledger: Checks.Ledger
  readonly violations: Array<string>
}

const settings = ({ databaseUrl }: Run, { directory }: Replica) => ({
  DATABASE_URL: databaseUrl,
  SANDBOX_CLUSTER: "on",
  SANDBOX_DATA_DIR: directory,
  SANDBOX_KILL_GRACE_PERIOD: "1",
  SANDBOX_REAPER_INTERVAL: "5",
  SANDBOX_MAX_CONCURRENT_SANDBOXES: String(caps.all),
  SANDBOX_MAX_SANDBOXES_PER_USER: String(caps.perUser)
})

const start = Effect.fnUntraced(function* (it: Run, replica: Replica) {
  const { ended, kill, listening, pid } = yield* ServerProcess.launch(settings(it, replica))
  const name = yield* Traces.nameOf(pid)
  const url = yield* Effect.timeout(listening, "60 seconds").pipe(Effect.orDie)
  replica.life = { name, service: ServerProcess.ServerProcess.of({ url, kill, ended }) }
})

/** Waits for the end of a server, and of all that was its. */
const buried = Effect.fnUntraced(function* (it: Run, replica: Replica, life: Life) {
  replica.life = undefined
  const ended = yield* life.service.ended.pipe(Effect.timeoutOption("40 seconds"))
  if (ended._tag === "None") {
    it.violations.push(`the server ${life.name} does not end`)
    yield* life.service.kill("SIGKILL")
  }
  const left = yield* Effect.flatMap(Traces.awaitNoProcess(life.name, `/${life.name}-`), Traces.end)
  it.ledger.dead.add(life.name)
  it.violations.push(...left.map((process) => `a process outlives its server: ${process}`))
})

/** Longer than the time after which a replica that is not heard counts as dead. */
const longFreeze = "18 seconds"

/** Not so long, and longer than its lease of shards. */
const shortFreeze = "5 seconds"

const freeze = (life: Life, time: typeof longFreeze | typeof shortFreeze) =>
  life.service
    .kill("SIGSTOP")
    .pipe(Effect.zipRight(Effect.sleep(time)), Effect.zipRight(life.service.kill("SIGCONT")))

type Misfortune = (it: Run, replica: Replica, life: Life) => ReturnType<typeof start> | Effect.Effect<void>

const ended = (it: Run, replica: Replica, life: Life, cause: Effect.Effect<void>) =>
  cause.pipe(Effect.zipRight(buried(it, replica, life)), Effect.zipRight(start(it, replica)))

const misfortunes: ReadonlyArray<readonly [string, Misfortune]> = [
  ["is killed", (it, replica, life) => ended(it, replica, life, life.service.kill("SIGKILL"))],
  ["stands still, for long", (it, replica, life) => ended(it, replica, life, freeze(life, longFreeze))],
  ["is stopped", (it, replica, life) => ended(it, replica, life, life.service.kill("SIGTERM"))],
  ["stands still, not for long", (_, __, life) => freeze(life, shortFreeze)]
]

const round = Effect.fnUntraced(function* (it: Run, number: number) {
  yield* Effect.sleep(yield* Random.nextIntBetween(1000, 3000))
  const victim = yield* Random.nextIntBetween(0, it.replicas.length)
  const [what, befalls] = misfortunes[number % misfortunes.length] ?? []
  const replica = it.replicas[victim]
  if (replica?.life === undefined || befalls === undefined) return
  yield* it.options.say(
    `round ${number}: replica ${victim} ${what}; ${it.violations.length} violations so far`
  )
  yield* befalls(it, replica, replica.life)
})

const at = <A, E, R>(replica: Replica | undefined, effect: Effect.Effect<A, E, R>) =>
  replica?.life === undefined
    ? Effect.dieMessage("the replica is down")
    : Effect.provideService(effect, ServerProcess.ServerProcess, replica.life.service)

/** Waits until everything has ended, and gives what has not. */
const settled = Checks.listAll.pipe(
  Effect.map((all) =>
    all.flatMap(({ executionId, state }) => (state === "ended" ? [] : [`${executionId} is still ${state}`]))
  ),
  Effect.filterOrFail(
    (open) => open.length === 0,
    (open) => open
  ),
  Effect.retry({ times: 60, schedule: Schedule.spaced("1 second") }),
  Effect.merge
)

/** The words for an answer that says of itself that nothing of it is kept: of a server that stood still too long. */
const unkeptMessage = "The execution has ended, but its record could not be kept"

/** Takes those answers out of the journal, as if they had not come. */
const withoutUnkept = ({ journal }: Checks.Ledger) => {
  let count = 0
  for (const ask of journal) {
    if (ask.answer?.body.error?.message !== unkeptMessage) continue
    delete ask.answer
    count++
  }
  return count
}

const checkMetrics = Effect.map(
  Caller.get("/api/sandbox/metrics"),
  ({ activeExecutions, queuedExecutions }) =>
    activeExecutions === 0 && queuedExecutions === 0
      ? []
      : [
          `a replica counts ${activeExecutions} that run and ${queuedExecutions} that wait, and there are none`
        ]
)

const checkAudit = Effect.map(Caller.get("/api/sandbox/audit/verify"), ({ broken, intact }) =>
  intact ? [] : [`the audit log is broken: ${JSON.stringify(broken)}`]
)

const checkAll = Effect.fnUntraced(function* (it: Run) {
  const [first, second] = it.replicas
  const unkept = withoutUnkept(it.ledger)
  it.violations.push(...(yield* at(first, settled)))
  for (const replica of it.replicas) it.violations.push(...(yield* at(replica, checkMetrics)))
  it.violations.push(...(yield* at(second, Checks.checkKeys(it.ledger))))
  it.violations.push(...(yield* at(first, Checks.atTheEnd(it.ledger))), ...(yield* at(first, checkAudit)))
  const all = yield* at(first, Checks.listAll)
  for (const execution of all) it.ledger.ended.set(execution.executionId, execution)
  it.ledger.interrupted = all.filter(({ verdict }) => verdict === "InternalError").length
  return unkept
})

const stopAll = Effect.fnUntraced(function* (it: Run) {
  for (const replica of it.replicas) {
    const { life } = replica
    if (life === undefined) continue
    yield* life.service.kill("SIGTERM")
    yield* buried(it, replica, life)
  }
  const left = yield* Traces.leftBy(it.ledger.dead)
  it.violations.push(...left.map((what) => `left by a server that is gone: ${what}`))
})

const database = Effect.acquireRelease(
  Effect.promise(makeCluster).pipe(
    Effect.flatMap((cluster) =>
      "missing" in cluster ? Effect.dieMessage(cluster.missing) : Effect.succeed(cluster)
    )
  ),
  (cluster) => Effect.promise(() => cluster.stop().finally(cluster.remove))
)

const living = ({ replicas }: Run) =>
  replicas.flatMap(({ life }) => (life === undefined ? [] : [life.service]))

/** Has three servers at work and, one after the other, come to harm, and looks whether they are one service all the same. */
export const run = Effect.fnUntraced(function* (options: ClusterCrashOptions) {
  const { url } = yield* database
  const directory = yield* ServerProcess.temporaryDirectory
  const it: Run = {
    options,
    databaseUrl: url,
    replicas: ["a", "b", "c"].map((name) => ({ directory: join(directory, name), life: undefined })),
    ledger: Checks.emptyLedger(),
    violations: []
  }
  const mark = randomUUID()
  const { journal } = it.ledger
  const observation: ClusterObserver.Observation = { violations: it.violations, most: 0, looks: 0 }
  yield* Effect.forEach(it.replicas, (replica) => start(it, replica), { concurrency: "unbounded" })
  const observer = yield* Effect.fork(ClusterObserver.watch(mark, caps, observation))
  const load = yield* Effect.fork(
    ClusterLoad.run({ seed: options.seed, mark, journal, servers: () => living(it) })
  )
  yield* Effect.forEach(
    Array.from({ length: options.rounds }, (_, number) => number),
    (number) => round(it, number)
  ).pipe(Effect.withRandom(Random.make(options.seed)))
  yield* Fiber.interrupt(load)
  const unkept = yield* checkAll(it)
  yield* Fiber.interrupt(observer)
  yield* stopAll(it)
  return {
    rounds: options.rounds,
    executions: it.ledger.ended.size,
    answered: Checks.answered(it.ledger).size,
    unkept,
    interrupted: it.ledger.interrupted,
    observation,
    violations: it.violations
  } satisfies Summary
})
