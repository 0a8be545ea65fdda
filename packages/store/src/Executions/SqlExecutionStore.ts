import { type Entry, ExecutionStore, Outbox, StoreFailure } from "@bulkhead/sandbox"
import { SqlClient } from "@effect/sql"
import { Context, Effect, Layer } from "effect"
import * as Chain from "../Audit/Chain.js"
import * as Verification from "../Audit/Verification.js"
import * as DatabaseWatch from "../Database/DatabaseWatch.js"
import { asStoreFailure } from "../Database/Failures.js"
import * as Transaction from "../Database/Transaction.js"
import * as Lease from "../Lease/Lease.js"
import * as SqlOutbox from "../Webhooks/SqlOutbox.js"
import * as ExecutionQueries from "./ExecutionQueries.js"
import * as GroupCommit from "./GroupCommit.js"
import * as GroupRows from "./GroupRows.js"

/** The instance's events are one audit chain. When another server has taken over its lease, every commit fails. */
export interface SqlExecutionStoreOptions extends GroupCommit.GroupCommitOptions, Lease.LeaseOptions {}

interface ChainRow {
  readonly life: number | string
  readonly sequence: number | string
  readonly hash: string
}

const headOf = ({ hash, sequence }: Omit<ChainRow, "life">): Chain.Head => ({
  sequence: Number(sequence),
  hash
})

/** Begins a new life of the instance, where its chain ends. From now on, earlier lives cannot write to the chain. */
const beginLife = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, instance: string) {
  const lastEvent = yield* sql<ChainRow>`
    SELECT sequence, hash FROM events WHERE instance = ${instance} ORDER BY sequence DESC LIMIT 1`
  const { hash, sequence } = lastEvent[0] ? headOf(lastEvent[0]) : Chain.genesis
  yield* sql`INSERT INTO chains ${sql.insert({
    instance,
    life: 0,
    sequence,
    hash,
    removed_sequence: 0,
    removed_hash: Chain.genesis.hash,
    bytes: 0
  })} ON CONFLICT DO NOTHING`
  const [row] = yield* sql<ChainRow>`
    UPDATE chains SET life = life + 1 WHERE instance = ${instance} RETURNING life, sequence, hash`
  return row === undefined
    ? yield* Effect.dieMessage(`The chain of instance '${instance}' is gone`)
    : { writer: { instance, life: Number(row.life) }, end: headOf(row) }
})

/** Whether the database is there, and still the one in which this life began. */
const probe = (sql: SqlClient.SqlClient, instance: string) =>
  sql`SELECT life FROM chains WHERE instance = ${instance}`.pipe(
    asStoreFailure("The database cannot be used"),
    Effect.filterOrFail(
      (rows) => rows.length > 0,
      () =>
        new StoreFailure({
          message: "The database cannot be used",
          reason: "the database knows nothing of this server any more"
        })
    ),
    Effect.asVoid
  )

const make = Effect.fnUntraced(function* ({ instance = "main", ...options }: SqlExecutionStoreOptions) {
  const sql = yield* SqlClient.SqlClient
  const lease = yield* Lease.Lease
  const { end, writer } = yield* sql
    .withTransaction(beginLife(sql, instance))
    .pipe(asStoreFailure("The store could not be opened"))

  const transaction = Transaction.make(sql)
  const insert = GroupRows.inserting(sql, writer)
  const anArrival = yield* Effect.makeLatch()
  let head = end
  const prepare = (entries: ReadonlyArray<Entry>) => {
    const rows = GroupRows.make(writer, head, entries)
    head = rows.after
    return transaction((connection) => insert(connection, rows)).pipe(
      Effect.flatMap((messages) => (messages > 0 ? Effect.asVoid(anArrival.open) : Effect.void)),
      asStoreFailure("The store could not be written")
    )
  }
  const { append, commit, ready: writable } = yield* GroupCommit.make(prepare, options)
  const usable = yield* DatabaseWatch.make(probe(sql, instance))
  const ready = Effect.zipRight(usable, writable)

  const verify = Verification.verify(sql, instance).pipe(
    asStoreFailure("The audit log could not be read"),
    Effect.withSpan("SqlExecutionStore.verify")
  )

  const store = ExecutionStore.of({
    ...ExecutionQueries.make(sql, writer),
    append,
    commit,
    ready: Effect.zipRight(lease.check, ready),
    verify
  })
  const arrived = Effect.zipRight(anArrival.await, anArrival.close)
  return Context.make(ExecutionStore, store).pipe(
    Context.add(Outbox, SqlOutbox.make(sql, writer, arrived, anArrival.open))
  )
})

/**
 * The execution store in SQL, in the tables that `SqliteStore` and `PostgresStore` create. An append costs
 * microseconds: one fiber writes what was appended, in groups of one transaction each, at once when somebody commits,
 * or else within `linger`. A group that cannot be written is tried again until it can, and all commits fail meanwhile.
 * Beyond `maxBuffered` bytes, further entries are dropped then, and the loss is logged.
 * A cursor that this store did not give out leads to an empty page. The store works under a lease of its instance, and
 * gives for unfinished what instances without a lease have left too. What is announced becomes messages of the outbox in
 * the same transaction.
 */
export const layer = (
  options: SqlExecutionStoreOptions = {}
): Layer.Layer<
  ExecutionStore | Outbox | Lease.Lease,
  Lease.InstanceInUse | StoreFailure,
  SqlClient.SqlClient
> => Layer.provideMerge(Layer.scopedContext(make(options)), Lease.layer(options))
