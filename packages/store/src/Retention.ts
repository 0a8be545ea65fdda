import { ExecutionId } from "@bulkhead/domain"
import { mostFailed, type StoreFailure } from "@bulkhead/sandbox"
import { SqlClient } from "@effect/sql"
import { Cause, Clock, Duration, Effect, Exit, Layer, Schedule } from "effect"
import { asStoreFailure } from "./Database/Failures.js"
import * as GroupRows from "./Executions/GroupRows.js"

export interface RetentionOptions {
  /** Days that an ended execution is kept, with its events and its result. Absent: forever. */
  readonly maxAge?: number
  /**
   * Bytes of executions, events and results with their indexes, as the store counts them, and of artifacts. Beyond it,
   * the executions that ended first are removed. SQLite's file shrinks then; PostgreSQL's tables do when they are vacuumed.
   * Absent: no bound.
   */
  readonly maxBytes?: number
  /** Days that usage is kept, since bills may be due when the executions are long gone. Default 400. */
  readonly maxUsageAge?: number
  /** Days that messages to webhooks are kept after they were delivered. Default 1. */
  readonly maxMessageAge?: number
  /** Days that those are kept which could not be delivered, at most 1000 of each user. Default 7. */
  readonly maxFailedMessageAge?: number
  /** Days that idempotency keys are kept. Default 1. */
  readonly maxKeyAge?: number
  /**
   * Removes an execution's artifacts from where their bytes are, if it has any there. Called before the execution is
   * removed, and again in the next run when it failed: the execution stays until then, the others are removed. Failures
   * may take a minute of one run; from then on it asks for no more removals.
   */
  readonly removeArtifacts?: (executionId: ExecutionId) => Effect.Effect<void, unknown>
  /** How often to look. Default 1 minute. */
  readonly interval?: Duration.DurationInput
  /** Executions removed in one transaction at most; of events, four times as many. Default 500. */
  readonly step?: number
  /** Time between two transactions, for everybody else who writes. Default 50 ms. */
  readonly pause?: Duration.DurationInput
}

/** What one run removed. */
export interface Removed {
  readonly executions: number
  readonly events: number
}

const day = 86_400_000

/** How long one run is held up by artifacts that cannot be removed, in milliseconds; the rest wait for the next. */
const removalPatience = 60_000

/** The beginning of a chain, which is to be removed: where it ends, and how much it is. */
interface Prefix {
  readonly sequence: number
  readonly hash: string
  readonly count: number
  readonly bytes: number
}

interface ExecutionRow {
  readonly execution_id: string
  readonly instance: string
  readonly started_at: number | string
  readonly bytes: number | string
  readonly artifact_bytes: number | string
  readonly event_bytes: number | string
}

/** The first execution of all comes after it, in the order in which they began. */
const beginning: Pick<ExecutionRow, "execution_id" | "started_at"> = { execution_id: "", started_at: 0 }

/** What an execution gives back when it is removed, beside its events. */
const ownBytes = (row: ExecutionRow) =>
  Number(row.bytes) + Number(row.artifact_bytes) + GroupRows.executionOverhead

/** The first rows that together are so many bytes, with their events; all of them when they are fewer. */
const firstOf = (rows: ReadonlyArray<ExecutionRow>, bytes: number) => {
  let sum = 0
  const last = rows.findIndex((row) => {
    sum += ownBytes(row) + Number(row.event_bytes)
    return sum >= bytes
  })
  return last === -1 ? rows : rows.slice(0, last + 1)
}

interface EventRow {
  readonly sequence: number | string
  readonly execution_id: string
  readonly timestamp: number | string
  readonly hash: string
  readonly bytes: number | string
  readonly known: number | string
}

const make = (sql: SqlClient.SqlClient, options: RetentionOptions) => {
  const { removeArtifacts = () => Effect.void } = options
  const { maxFailedMessageAge = 7, maxMessageAge = 1 } = options
  const { maxAge, maxBytes, maxKeyAge = 1, maxUsageAge = 400, pause = "50 millis", step = 500 } = options

  /** The executions whose artifacts could not be removed in this run, each with why. */
  const stuck = new Map<string, unknown>()

  const charge = (instance: string, bytes: number) =>
    sql`UPDATE chains SET bytes = bytes - ${bytes} WHERE instance = ${instance}`

  /**
   * The oldest ended executions after one that ended before a time, no more than it takes to free so many bytes. Those
   * that could not be removed are passed by, and not found again.
   */
  const due = (before: number, excess: number, after: typeof beginning) =>
    Effect.map(
      sql<ExecutionRow>`
      SELECT execution_id, instance, started_at, COALESCE(OCTET_LENGTH(result), 0) AS bytes,
        (SELECT COALESCE(SUM(a.size), 0) FROM artifacts a WHERE a.execution_id = executions.execution_id)
          AS artifact_bytes,
        (SELECT COALESCE(SUM(OCTET_LENGTH(e.event) + ${sql.literal(String(GroupRows.eventOverhead))}), 0)
          FROM events e WHERE e.execution_id = executions.execution_id) AS event_bytes
      FROM executions
      WHERE ended_at IS NOT NULL AND ended_at < ${before} AND started_at >= ${Number(after.started_at)}
        AND (started_at > ${Number(after.started_at)} OR execution_id > ${after.execution_id})
      ORDER BY started_at, execution_id LIMIT ${step}`,
      (oldest) => firstOf(oldest, excess)
    )

  const forget = Effect.fnUntraced(function* (rows: ReadonlyArray<ExecutionRow>) {
    const ids = sql.in(rows.map((row) => row.execution_id))
    yield* sql`DELETE FROM artifacts WHERE execution_id IN ${ids}`
    yield* sql`DELETE FROM webhook_messages WHERE execution_id IN ${ids} AND state <> 'pending'`
    const deleted = yield* sql<{ execution_id: string }>`
      DELETE FROM executions WHERE execution_id IN ${ids} RETURNING execution_id`
    // Nobody may release their keys: a request whose execution is forgotten must not run again.
    yield* sql`UPDATE idempotency_keys SET instance = '' WHERE execution_id IN ${ids}`
    // Another server may have been faster with some of them, and has charged for those.
    const gone = new Set(deleted.map((row) => row.execution_id))
    const bytes = new Map<string, number>()
    for (const row of rows.filter((row) => gone.has(row.execution_id)))
      bytes.set(row.instance, (bytes.get(row.instance) ?? 0) + ownBytes(row))
    yield* Effect.forEach(bytes, ([instance, bytes]) => charge(instance, bytes), { discard: true })
  })

  /** Milliseconds that were spent in this run on artifacts that could not be removed. */
  let spent = 0

  /** Removes its artifacts, and gives whether that is done. */
  const isEmptied = Effect.fnUntraced(function* ({ execution_id }: ExecutionRow) {
    if (stuck.has(execution_id)) return false
    if (spent >= removalPatience) {
      stuck.set(execution_id, "there was no more time for it")
      return false
    }
    const [time, removed] = yield* Effect.timed(Effect.exit(removeArtifacts(ExecutionId.make(execution_id))))
    if (Exit.isSuccess(removed)) return true
    spent += Duration.toMillis(time)
    stuck.set(execution_id, Cause.squash(removed.cause))
    return false
  })

  /**
   * Removes what is due, and gives when the last of it began, and which was looked at last. Files first, and outside of
   * the transaction, which would keep everybody else from writing for as long as it takes. Also of executions without
   * an artifact's row: they may have been cut off between the two.
   */
  const removeExecutions = Effect.fnUntraced(function* (
    before: number,
    excess: number,
    after: typeof beginning
  ) {
    const rows = yield* due(before, excess, after)
    const emptied: Array<ExecutionRow> = []
    for (const row of rows) if (yield* isEmptied(row)) emptied.push(row)
    if (emptied.length > 0) yield* sql.withTransaction(forget(emptied))
    const until = Math.max(0, ...emptied.map((row) => Number(row.started_at)))
    return { count: emptied.length, until, last: rows.at(-1) }
  })

  /**
   * The beginning of a chain, up to the first event that is too young or whose execution is still there. One that is
   * only there for its artifacts holds no events back: all that came later would stay with them.
   */
  const prefixOf = Effect.fnUntraced(function* (instance: string, until: number) {
    const rows = yield* sql<EventRow>`
      SELECT e.sequence, e.execution_id, e.timestamp, e.hash, OCTET_LENGTH(e.event) AS bytes,
        CASE WHEN x.execution_id IS NOT NULL THEN 1 ELSE 0 END AS known
      FROM events e LEFT JOIN executions x ON x.execution_id = e.execution_id
      WHERE e.instance = ${instance} ORDER BY e.sequence LIMIT ${step * 4}`
    let prefix: Prefix | undefined
    for (const row of rows) {
      if (Number(row.timestamp) > until) break
      if (Number(row.known) === 1 && !stuck.has(row.execution_id)) break
      prefix = {
        sequence: Number(row.sequence),
        hash: row.hash,
        count: (prefix?.count ?? 0) + 1,
        bytes: (prefix?.bytes ?? 0) + Number(row.bytes) + GroupRows.eventOverhead
      }
    }
    return prefix
  })

  /** Removes the beginning of a chain, and writes down where the rest begins, so that it still verifies. */
  const removeEvents = Effect.fnUntraced(function* (instance: string, until: number) {
    const prefix = yield* prefixOf(instance, until)
    if (prefix === undefined) return 0
    yield* sql`DELETE FROM events WHERE instance = ${instance} AND sequence <= ${prefix.sequence}`
    yield* sql`UPDATE chains SET removed_sequence = ${prefix.sequence}, removed_hash = ${prefix.hash}
      WHERE instance = ${instance} AND removed_sequence < ${prefix.sequence}`
    yield* charge(instance, prefix.bytes)
    return prefix.count
  })

  const instances = Effect.map(sql<{ instance: string }>`SELECT instance FROM chains`, (rows) =>
    rows.map(({ instance }) => instance)
  )

  const shrinkFile = sql.onDialectOrElse({
    pg: () => Effect.void,
    orElse: () => Effect.asVoid(sql.withTransaction(sql`PRAGMA incremental_vacuum(1000)`))
  })

  const stepBetween = Effect.zipRight(shrinkFile, Effect.sleep(pause))

  const allEvents = Effect.fnUntraced(function* (until: number) {
    let removed = 0
    for (const instance of yield* instances) {
      let count = yield* sql.withTransaction(removeEvents(instance, until))
      while (count > 0) {
        removed += count
        yield* stepBetween
        count = yield* sql.withTransaction(removeEvents(instance, until))
      }
    }
    return removed
  })

  const bytesKept = Effect.map(
    sql<{ bytes: number | string | null }>`SELECT SUM(bytes) AS bytes FROM chains`,
    ([row]) => Number(row?.bytes ?? 0)
  )

  const byAge = Effect.fnUntraced(function* (before: number) {
    const removeAfter = (after: typeof beginning) => removeExecutions(before, Number.POSITIVE_INFINITY, after)
    let executions = 0
    let { count, last } = yield* removeAfter(beginning)
    while (last !== undefined) {
      executions += count
      yield* stepBetween
      ;({ count, last } = yield* removeAfter(last))
    }
    return { executions, events: yield* allEvents(before) }
  })

  const bySize = Effect.fnUntraced(function* (bound: number, now: number) {
    let executions = 0
    let events = 0
    let after = beginning
    let excess = (yield* bytesKept) - bound
    while (excess > 0) {
      const { count, last, until } = yield* removeExecutions(now, excess, after)
      const removed = yield* allEvents(until)
      if (last === undefined && removed === 0) break
      after = last ?? after
      executions += count
      events += removed
      yield* stepBetween
      excess = (yield* bytesKept) - bound
    }
    return { executions, events }
  })

  /** Settled messages that are old, and of each user's failed ones all but the latest. */
  const oldMessages = (now: number) =>
    sql`DELETE FROM webhook_messages
      WHERE (state = 'delivered' AND settled_at < ${now - maxMessageAge * day})
        OR (state = 'failed' AND settled_at < ${now - maxFailedMessageAge * day})
        OR message_id IN (SELECT message_id FROM (
          SELECT message_id, ROW_NUMBER() OVER (
            PARTITION BY user_id ORDER BY settled_at DESC, message_id) AS place
          FROM webhook_messages WHERE state = 'failed') AS failed WHERE place > ${mostFailed})`

  const tellStuck = Effect.suspend(() => {
    const [first] = stuck
    if (first === undefined) return Effect.void
    const [executionId, failure] = first
    const which = stuck.size === 1 ? executionId : `${stuck.size} executions, such as ${executionId},`
    return Effect.logError(
      `The artifacts of ${which} could not be removed; the next run tries again`,
      failure
    )
  })

  return Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const nothing: Removed = { executions: 0, events: 0 }
    const old = maxAge === undefined ? nothing : yield* byAge(now - maxAge * day)
    const large = maxBytes === undefined ? nothing : yield* bySize(maxBytes, now)
    yield* tellStuck
    yield* sql.withTransaction(sql`DELETE FROM usage WHERE ended_at < ${now - maxUsageAge * day}`)
    yield* sql.withTransaction(oldMessages(now))
    yield* sql.withTransaction(sql`DELETE FROM idempotency_keys WHERE created_at < ${now - maxKeyAge * day}`)
    return { executions: old.executions + large.executions, events: old.events + large.events }
  })
}

/**
 * Removes what is due, oldest first, in small transactions. An execution that has not ended is never removed, nor any
 * event after its first one. One whose artifacts cannot be removed stays for the next run, which the log says once.
 */
export const run = (options: RetentionOptions): Effect.Effect<Removed, StoreFailure, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => make(sql, options)).pipe(
    asStoreFailure("Old executions could not be removed"),
    Effect.withSpan("Retention.run")
  )

/** Removes what is due in the background, every `interval`. A failure is logged, and the next run tries again. */
export const layer = (options: RetentionOptions): Layer.Layer<never, never, SqlClient.SqlClient> =>
  Layer.scopedDiscard(
    run(options).pipe(
      Effect.catchAll((failure) => Effect.logError("Retention failed", failure)),
      Effect.repeat(Schedule.spaced(options.interval ?? "1 minute")),
      Effect.interruptible,
      Effect.forkScoped
    )
  )
