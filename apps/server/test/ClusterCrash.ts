import { randomUUID } from "node:crypto"
import { PostgresStore } from "@bulkhead/store"
import { Effect, Fiber, Random, Redacted, Schedule } from "effect"
import * as LedgerWatch from "../../../packages/cluster/test/LedgerWatch.js"
import { makeCluster } from "../../../packages/store/test/PostgresCluster.js"
import * as Caller from "./Caller.js"
import * as ClusterLoad from "./ClusterLoad.js"
import * as ClusterObserver from "./ClusterObserver.js"
import * as ClusterReplica from "./ClusterReplica.js"
import * as ClusterTurns from "./ClusterTurns.js"
import * as ClusterUsage from "./ClusterUsage.js"
import * as ClusterWebhooks from "./ClusterWebhooks.js"
import * as Checks from "./CrashChecks.js"
import * as Traces from "./CrashTraces.js"
import * as ServerProcess from "./ServerProcess.js"
import * as WebhookReceiver from "./WebhookReceiver.js"

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
  /** Executions that webhooks told of, and copies beside the first. */
  readonly webhooks: { readonly told: number; readonly copies: number }
  readonly turns: Pick<ClusterTurns.Judgement, "judged" | "lateness">
  readonly takeovers: ReadonlyArray<ClusterTurns.Takeover>
  readonly violations: ReadonlyArray<string>
}

const seconds = (millis: number | undefined) => ((millis ?? 0) / 1000).toFixed(1)

const distribution = (values: ReadonlyArray<number>) => {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (share: number) => seconds(sorted[Math.floor(share * (sorted.length - 1))])
  return sorted.length === 0
    ? "none"
    : `${at(0)} to ${at(1)} s, half within ${at(0.5)} s, nine of ten within ${at(0.9)} s`
}

/** One line for each kind of harm that made another replica the owner. */
const describeTakeovers = (takeovers: Summary["takeovers"]) =>
  [...new Set(takeovers.map(({ what }) => what))].map((kind) => {
    const some = takeovers.filter(({ what }) => what === kind)
    const owned = distribution(some.map(({ owned }) => owned))
    return `    owner ${kind} (${some.length}): new owner ${owned}; first permit ${distribution(some.map(({ given }) => given))}`
  })

export const describe = (summary: Summary) =>
  [
    `${summary.executions} executions, ${summary.answered} answered, ${summary.unkept} unkept, ` +
      `${summary.interrupted} interrupted, at most ${summary.observation.most} at once in ` +
      `${summary.observation.looks} looks`,
    `  ${summary.webhooks.told} told by webhooks, ${summary.webhooks.copies} copies beside the first`,
    `  ${summary.turns.judged} turns judged, ${summary.turns.lateness.length} out of turn at a change of owner` +
      ` (later by ${distribution(summary.turns.lateness)})`,
    `  ${summary.takeovers.length} changes of owner by harm; first permit of the new one ` +
      distribution(summary.takeovers.map(({ given }) => given)),
    ...describeTakeovers(summary.takeovers),
    `  ${summary.violations.length} violations in ${summary.rounds} rounds`
  ].join("\n")

const caps: ClusterObserver.Caps = { all: 5, perUser: 2 }

const settings = {
  ...WebhookReceiver.settings,
  SANDBOX_ARTIFACT_STORE: "database",
  SANDBOX_KILL_GRACE_PERIOD: "1",
  SANDBOX_REAPER_INTERVAL: "5",
  SANDBOX_MAX_CONCURRENT_SANDBOXES: String(caps.all),
  SANDBOX_MAX_SANDBOXES_PER_USER: String(caps.perUser)
}

interface Run {
  readonly options: ClusterCrashOptions
  readonly replicas: ReadonlyArray<ClusterReplica.Replica>
  readonly ledger: Checks.Ledger
  readonly submissions: Array<ClusterTurns.Submission>
  readonly harms: Array<ClusterTurns.Harm>
  readonly violations: Array<string>
}

const round = Effect.fnUntraced(function* (it: Run, number: number) {
  yield* Effect.sleep(yield* Random.nextIntBetween(1000, 3000))
  const victim = it.replicas[yield* Random.nextIntBetween(0, it.replicas.length)]
  const what = ClusterReplica.all[number % ClusterReplica.all.length]
  if (victim === undefined || what === undefined) return
  yield* it.options.say(`round ${number}: ${victim.name} ${what}`)
  const before = it.violations.length
  it.harms.push(yield* ClusterReplica.befall(victim, what))
  yield* Effect.forEach(it.violations.slice(before), (violation) => it.options.say(`  ${violation}`))
})

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

/** The executions of which an answer says that they had a sandbox. */
const withSandbox = ({ journal }: Checks.Ledger): ReadonlySet<string> =>
  new Set(journal.flatMap(({ answer }) => (answer?.body.receipt ? [answer.body.executionId] : [])))

const checkUsage = Effect.fnUntraced(function* (it: Run) {
  const [first, ...others] = it.replicas
  const all = yield* ClusterReplica.at(first, Checks.listAll)
  const check = ClusterUsage.check(ClusterLoad.names, all, withSandbox(it.ledger))
  it.violations.push(...(yield* ClusterReplica.at(first, check)))
  const read = ClusterUsage.read(ClusterLoad.names)
  const one = yield* ClusterReplica.at(first, read)
  for (const other of others)
    it.violations.push(...ClusterUsage.differences(one, yield* ClusterReplica.at(other, read)))
})

const checkAll = Effect.fnUntraced(function* (it: Run, arrivals: ClusterWebhooks.Arrivals) {
  const { at } = ClusterReplica
  const [first, second, third] = it.replicas
  const unkept = withoutUnkept(it.ledger)
  it.violations.push(...(yield* at(first, settled)))
  for (const replica of it.replicas) it.violations.push(...(yield* at(replica, checkMetrics)))
  it.violations.push(...(yield* at(second, Checks.checkKeys(it.ledger))))
  it.violations.push(...(yield* at(third, Checks.atTheEnd(it.ledger))))
  for (const replica of it.replicas) it.violations.push(...(yield* at(replica, checkAudit)))
  yield* checkUsage(it)
  const all = yield* at(first, Checks.listAll)
  for (const execution of all) it.ledger.ended.set(execution.executionId, execution)
  it.ledger.interrupted = all.filter(({ verdict }) => verdict === "InternalError").length
  const { journal } = it.ledger
  const ended = new Set(it.ledger.ended.keys())
  const webhooks = yield* at(first, ClusterWebhooks.check(arrivals, journal, it.harms, ended))
  it.violations.push(...webhooks.violations)
  return { unkept, webhooks }
})

const checkTurns = Effect.fnUntraced(function* (it: Run) {
  const { ledger, owners } = yield* LedgerWatch.read
  const { harms, submissions } = it
  const history = { ledger, owners, harms, submissions, perUser: caps.perUser }
  const turns = ClusterTurns.judge(history)
  it.violations.push(...turns.violations)
  return { turns, takeovers: ClusterTurns.takeovers(history) }
})

const executionIn = /exec_[a-z0-9]+(?=: its artifact)/

/** What PostgreSQL knows of artifacts that are not as they were answered. */
const explained = (violations: ReadonlyArray<string>) =>
  Effect.forEach(violations, (violation) => {
    const [executionId] = executionIn.exec(violation) ?? []
    return executionId === undefined
      ? Effect.succeed(violation)
      : Effect.map(LedgerWatch.filesOf(executionId), (lines) => [violation, ...lines].join("\n    "))
  })

const stopAll = Effect.fnUntraced(function* (it: Run) {
  for (const replica of it.replicas) {
    const { life } = replica
    if (life === undefined) continue
    yield* life.service.kill("SIGTERM")
    yield* ClusterReplica.buried(replica, life)
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

const names = ["a", "b", "c"]

const prepared = Effect.fnUntraced(function* (options: ClusterCrashOptions) {
  const { directory: socket, url } = yield* database
  const directory = yield* ServerProcess.temporaryDirectory
  const ledger = Checks.emptyLedger()
  const violations: Array<string> = []
  const inDatabase = Effect.provide(PostgresStore.layer({ url: Redacted.make(url), maxConnections: 2 }))
  yield* inDatabase(LedgerWatch.addUsers(names))
  const replicas = yield* Effect.forEach(names, (name) =>
    ClusterReplica.make({
      ...{ name, settings, directory, violations },
      database: socket,
      holdsLease: Effect.orDie(inDatabase(LedgerWatch.holdsLease(name))),
      dead: ledger.dead
    })
  )
  const it: Run = { options, replicas, ledger, submissions: [], harms: [], violations }
  yield* Effect.forEach(replicas, (replica) => ClusterReplica.start(replica), { concurrency: "unbounded" })
  yield* inDatabase(LedgerWatch.install)
  return {
    it,
    checkTurns: inDatabase(checkTurns(it)),
    explained: Effect.suspend(() => inDatabase(explained(violations)))
  }
})

/**
 * Has three servers at work and, one after the other, come to harm, and looks whether they are one service all the
 * same.
 */
export const run = Effect.fnUntraced(function* (options: ClusterCrashOptions) {
  const { it, checkTurns, explained } = yield* prepared(options)
  const { ledger, replicas, submissions, violations } = it
  const mark = randomUUID()
  const arrivals = yield* ClusterWebhooks.receive
  const observation: ClusterObserver.Observation = { violations, most: 0, looks: 0 }
  const observer = yield* Effect.fork(ClusterObserver.watch(mark, caps, observation))
  const load = yield* Effect.fork(
    ClusterLoad.run({
      ...{ seed: options.seed, mark, submissions, replicas },
      journal: ledger.journal,
      receiver: arrivals.url
    })
  )
  yield* Effect.forEach(
    Array.from({ length: options.rounds }, (_, number) => number),
    (number) => round(it, number)
  ).pipe(Effect.withRandom(Random.make(options.seed)))
  yield* Fiber.interrupt(load)
  const checked = yield* checkAll(it, arrivals)
  const judged = yield* checkTurns
  yield* Fiber.interrupt(observer)
  yield* stopAll(it)
  return {
    ...checked,
    ...judged,
    rounds: options.rounds,
    executions: ledger.ended.size,
    answered: Checks.answered(ledger).size,
    interrupted: ledger.interrupted,
    observation,
    violations: yield* explained
  } satisfies Summary
})
