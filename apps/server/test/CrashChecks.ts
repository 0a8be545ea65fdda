import { createHash } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import type {
  Artifact,
  AuditVerification,
  EventName,
  ExecutionEvent,
  ExecutionRecord,
  ExecutionResult,
  ExecutionSummary
} from "@bulkhead/domain"
import { Effect } from "effect"
import * as Caller from "./Caller.js"
import * as Load from "./CrashLoad.js"
import * as Traces from "./CrashTraces.js"
import type { ServerProcess } from "./ServerProcess.js"

/** What is known from outside of all lives of a server. */
export interface Ledger {
  readonly journal: Load.Journal
  /** How many entries of the journal have been checked. */
  checkedAsks: number
  /** Every execution that was ever listed as ended. */
  readonly ended: Map<string, ExecutionSummary>
  /** Events of the audit log at the last look. */
  checkedEvents: number
  /** Executions that a kill interrupted. */
  interrupted: number
  /** The hosts of the servers that are gone. */
  readonly dead: Set<string>
  /** What they left, told once. */
  readonly left: Set<string>
}

export const emptyLedger = (): Ledger => ({
  journal: [],
  checkedAsks: 0,
  ended: new Map(),
  checkedEvents: 0,
  interrupted: 0,
  dead: new Set(),
  left: new Set()
})

/** What does not hold, each in one line. */
type Violations = ReadonlyArray<string>

const atOnce = { concurrency: 8 } as const

const interruption = "The service stopped before the execution ended"

/** Where an event stands in its execution; a retry begins again with a sandbox. */
const places: Readonly<Record<EventName, number>> = {
  code_flagged: 0,
  execution_queued: 0,
  execution_started: 1,
  execution_retry: 2,
  sandbox_created: 3,
  // A kill may be under way before it is known that the program has started.
  program_started: 4,
  secret_used: 4,
  network_allowed: 4,
  network_denied: 4,
  signal_sent: 4,
  sandbox_destroyed: 6,
  sandbox_leaked: 6,
  execution_completed: 7,
  execution_failed: 7,
  execution_timeout: 7,
  execution_killed: 7,
  execution_rejected: 7,
  webhook_delivered: 8,
  webhook_failed: 8
}

const isTerminal = ({ event }: ExecutionEvent) => places[event] === places.execution_completed

/** Only what became of webhooks may come after it. */
const lastOf = (events: ReadonlyArray<ExecutionEvent>) =>
  events.findLast(({ event }) => places[event] <= places.execution_completed)

const isInterrupted = (events: ReadonlyArray<ExecutionEvent>) => lastOf(events)?.message === interruption

/** What is wrong with the order of events. */
const flawOfChain = (events: ReadonlyArray<ExecutionEvent>): string | undefined => {
  const terminal = events.filter(isTerminal)
  if (terminal.length !== 1) return `has ${terminal.length} terminal events`
  const last = lastOf(events)
  if (last === undefined || !isTerminal(last)) return "has events after its terminal one"
  const isInOrder = events.every(({ event }, index) => {
    const before = events[index - 1]
    return before === undefined || event === "execution_retry" || places[before.event] <= places[event]
  })
  return isInOrder ? undefined : "has events out of order"
}

const terminalOf = (verdict: string): EventName => {
  if (verdict === "Completed") return "execution_completed"
  if (verdict === "TimeLimitExceeded") return "execution_timeout"
  if (verdict === "Killed") return "execution_killed"
  return verdict === "Rejected" ? "execution_rejected" : "execution_failed"
}

/** What a result says has happened must be in the log. */
const missingOf = ({ metrics, receipt }: ExecutionResult, events: ReadonlyArray<ExecutionEvent>) => {
  const expected: ReadonlyArray<EventName> = [
    ...(receipt ? (["execution_started", "sandbox_created"] as const) : []),
    ...(metrics.executionTimeMs === undefined ? [] : (["program_started"] as const)),
    ...(receipt?.sandboxDestroyed ? (["sandbox_destroyed"] as const) : [])
  ]
  return expected.filter((name) => !events.some(({ event }) => event === name))
}

const namesOf = (events: ReadonlyArray<ExecutionEvent>) => events.map(({ event }) => event).join(" ")

const eventsOf = (executionId: string) =>
  Effect.map(Caller.fetchJson(`/api/sandbox/logs/${executionId}`, Caller.asAdmin), ({ body, status }) =>
    status === 200 ? (body as ReadonlyArray<ExecutionEvent>) : []
  )

const checkArtifact = Effect.fnUntraced(function* (executionId: string, { name, sha256 }: Artifact) {
  const { content, status } = yield* Caller.download(`/api/executions/${executionId}/artifacts/${name}`)
  const found = createHash("sha256").update(content).digest("hex")
  return status === 200 && found === sha256
    ? []
    : [`${executionId}: its artifact ${name} is not what its result says: ${status}, ${content.length} bytes`]
})

const recordOf = (executionId: string) =>
  Effect.map(
    Caller.fetchJson(`/api/sandbox/executions/${executionId}`, Caller.asAdmin),
    ({ body, status }): ExecutionRecord | undefined => (status === 200 ? body : undefined)
  )

/** One execution that has ended, answered or not. */
const checkEnded = Effect.fnUntraced(function* ({ executionId, verdict }: ExecutionSummary) {
  const events = yield* eventsOf(executionId)
  const flaw = flawOfChain(events)
  const terminal = lastOf(events)?.event
  const flaws = [
    ...(flaw === undefined ? [] : [flaw]),
    ...(terminal === terminalOf(verdict ?? "") ? [] : [`is ${verdict} and ends with ${terminal}`]),
    ...(isInterrupted(events) && verdict !== "InternalError" ? [`was interrupted and is ${verdict}`] : [])
  ]
  const record = yield* recordOf(executionId)
  const artifacts = yield* Effect.forEach(record?.result?.artifacts ?? [], (artifact) =>
    checkArtifact(executionId, artifact)
  )
  return {
    wasInterrupted: isInterrupted(events),
    violations: [...flaws.map((flaw) => `${executionId} ${flaw}: ${namesOf(events)}`), ...artifacts.flat()]
  }
})

/** What a caller was told must be what is kept. */
const checkResult = Effect.fnUntraced(function* (result: ExecutionResult, userId: string) {
  const { executionId } = result
  const record = yield* recordOf(executionId)
  if (record === undefined) return [`${executionId} was answered ${result.verdict} and is lost`]
  const events = yield* eventsOf(executionId)
  const missing = missingOf(result, events)
  const artifacts = yield* Effect.forEach(result.artifacts, (artifact) =>
    checkArtifact(executionId, artifact)
  )
  return [
    ...(record.state === "ended" ? [] : [`${executionId} was answered and is ${record.state}`]),
    ...(record.verdict === result.verdict
      ? []
      : [`${executionId} was answered ${result.verdict} and is ${record.verdict}`]),
    ...(isDeepStrictEqual(record.result, result)
      ? []
      : [`${executionId} has another result than was answered`]),
    ...(record.userId === userId ? [] : [`${executionId} of ${userId} belongs to ${record.userId}`]),
    ...(missing.length === 0 ? [] : [`${executionId} lacks ${missing.join(" ")}: ${namesOf(events)}`]),
    ...(isInterrupted(events) === (result.error?.message === interruption)
      ? []
      : [`${executionId} was answered '${result.error?.message ?? result.verdict}': ${namesOf(events)}`]),
    ...artifacts.flat()
  ]
})

/** Work that is turned away once it waits has a record; what is turned away at the door has none. */
const checkRefusal = Effect.fnUntraced(function* (status: number, { error, executionId }: ExecutionResult) {
  if (status !== 429 && status !== 503) return [`${executionId} was answered ${status}: ${error?.message}`]
  const record = yield* recordOf(executionId)
  if (record === undefined) return status === 429 ? [`${executionId} was turned away and is lost`] : []
  return record.verdict === "Rejected" ? [] : [`${executionId} was turned away and is ${record.verdict}`]
})

/** Whether an answer is the result of an execution. */
const isResult = ({ status }: { readonly status: number }) => status === 200 || status === 502

/** The executions whose results callers got. */
export const answered = ({ journal }: Ledger): ReadonlySet<string> =>
  new Set(journal.flatMap(({ answer }) => (answer && isResult(answer) ? [answer.body.executionId] : [])))

const checkAnswer = ({ answer, request }: Load.Ask): Effect.Effect<Violations, never, ServerProcess> => {
  if (answer === undefined) return Effect.succeed([])
  return isResult(answer)
    ? checkResult(answer.body, request.userId)
    : checkRefusal(answer.status, answer.body)
}

/** A key whose execution could not be started stands for nothing again. */
const holds = ({ answer }: Load.Ask) =>
  answer !== undefined &&
  isResult(answer) &&
  (answer.body.verdict !== "InternalError" || answer.body.receipt !== undefined)

/** The same key with the same request must give what it gave, or else what has come of it meanwhile. */
const checkKey = Effect.fnUntraced(function* (ledger: Ledger, asks: ReadonlyArray<Load.Ask>) {
  const request = asks[0]?.request
  if (request === undefined) return []
  const answers = asks.filter(holds).flatMap(({ answer }) => (answer ? [answer.body] : []))
  const first = yield* Effect.orDie(Load.ask(ledger.journal, request))
  const second = yield* Effect.orDie(Load.ask(ledger.journal, request))
  const key = request.idempotencyKey
  if (!isResult(first)) {
    const { executions } = yield* Caller.get(`/api/sandbox/executions?userId=${request.userId}`)
    const message = `${first.status}: ${first.body.error?.message}`
    return [`key ${key}: answered ${message}; its executions: ${JSON.stringify(executions)}`]
  }
  return [...answers, second.body].every((body) => isDeepStrictEqual(body, first.body))
    ? []
    : [
        `key ${key}: gave ${[...answers, first.body, second.body].map(({ executionId }) => executionId).join(" ")}`
      ]
})

const groupByKey = (asks: ReadonlyArray<Load.Ask>) => {
  const groups = new Map<string, Array<Load.Ask>>()
  for (const ask of asks) {
    const key = ask.request.idempotencyKey
    if (key) groups.set(key, [...(groups.get(key) ?? []), ask])
  }
  return [...groups.values()]
}

/** Every execution there is. */
export const listAll = Effect.gen(function* () {
  const all: Array<ExecutionSummary> = []
  let cursor: string | undefined
  do {
    const query = `limit=1000${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}`
    const page = yield* Caller.get(`/api/sandbox/executions?${query}`)
    all.push(...page.executions)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return all
})

/** Everything has ended, and nothing that had ended is lost or has changed. */
const checkList = (ledger: Ledger, all: ReadonlyArray<ExecutionSummary>): Violations => {
  const found = new Map(all.map((execution) => [execution.executionId as string, execution]))
  return [
    ...all
      .filter(
        ({ endedAt, state, verdict }) => state !== "ended" || endedAt === undefined || verdict === undefined
      )
      .map(({ executionId, state, verdict }) => `${executionId} is ${state}, ${verdict}`),
    ...[...ledger.ended]
      .filter(([executionId, before]) => !isDeepStrictEqual(before, found.get(executionId)))
      .map(([executionId]) => `${executionId} had ended and is lost or has changed`)
  ]
}

/** A key has one execution, beside those that were turned away. */
const checkRuns = (
  keys: ReadonlyArray<ReadonlyArray<Load.Ask>>,
  all: ReadonlyArray<ExecutionSummary>
): Violations => {
  const runs = new Map<string, number>()
  for (const { userId, verdict } of all)
    if (verdict !== "Rejected") runs.set(userId, (runs.get(userId) ?? 0) + 1)
  return keys.flatMap(([ask]) => {
    const count = runs.get(ask?.request.userId ?? "") ?? 0
    return count <= 1 ? [] : [`key ${ask?.request.idempotencyKey}: has ${count} executions`]
  })
}

const checkAudit = Effect.fnUntraced(function* (ledger: Ledger) {
  const { broken, checked, intact }: AuditVerification = yield* Caller.get("/api/sandbox/audit/verify")
  const before = ledger.checkedEvents
  ledger.checkedEvents = checked
  return [
    ...(intact === checked > 0 ? [] : [`the audit log is broken: ${JSON.stringify(broken)}`]),
    ...(checked >= before ? [] : [`the audit log had ${before} events and has ${checked}`])
  ]
})

const checkReady = Effect.map(Caller.fetchJson("/ready"), ({ body, status }) =>
  status === 200 ? [] : [`the server is not ready: ${status} ${JSON.stringify(body)}`]
)

/** Asks again for every key, and counts what each of them ran. */
export const checkKeys = Effect.fnUntraced(function* (ledger: Ledger) {
  const keys = groupByKey(ledger.journal)
  const replays = yield* Effect.forEach(keys, (key) => checkKey(ledger, key), { concurrency: 4 })
  return [...replays.flat(), ...checkRuns(keys, yield* listAll)]
})

/** All that must hold of a server that has just started, and of what the ones before it did. */
export const afterStart = Effect.fnUntraced(function* (ledger: Ledger) {
  const ready = yield* checkReady
  const left = (yield* Traces.leftBy(ledger.dead)).filter((what) => !ledger.left.has(what))
  for (const what of left) ledger.left.add(what)
  const all = yield* listAll
  const listed = checkList(ledger, all)
  const asks = ledger.journal.slice(ledger.checkedAsks)
  const answers = yield* Effect.forEach(asks, checkAnswer, atOnce)
  const logs = yield* Effect.forEach(
    all.filter(({ executionId }) => !ledger.ended.has(executionId)),
    checkEnded,
    atOnce
  )
  ledger.interrupted += logs.filter(({ wasInterrupted }) => wasInterrupted).length
  const keys = groupByKey(asks)
  const replays = yield* Effect.forEach(keys, (key) => checkKey(ledger, key), { concurrency: 4 })
  ledger.checkedAsks = ledger.journal.length
  const later = yield* listAll
  for (const execution of later) ledger.ended.set(execution.executionId, execution)
  const audit = yield* checkAudit(ledger)
  return [
    ...ready,
    ...left.map((what) => `left by a server that is gone: ${what}`),
    ...listed,
    ...answers.flat(),
    ...logs.flatMap(({ violations }) => violations),
    ...replays.flat(),
    ...checkRuns(keys, later),
    ...audit
  ]
})

/** Once more, every result that was ever answered, and every log. */
export const atTheEnd = Effect.fnUntraced(function* (ledger: Ledger) {
  const results = ledger.journal.filter(({ answer }) => answer !== undefined && isResult(answer))
  const answers = yield* Effect.forEach(results, checkAnswer, atOnce)
  const logs = yield* Effect.forEach(yield* listAll, checkEnded, atOnce)
  return [...answers.flat(), ...logs.flatMap(({ violations }) => violations)]
})
