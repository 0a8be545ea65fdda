import type { AuditVerification, ChainVerification } from "@bulkhead/domain"
import type { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import * as EventLoop from "../Database/EventLoop.js"
import * as Chain from "./Chain.js"

/** Events read at one time. */
const pageSize = 1000

interface ChainRow {
  readonly sequence: number | string
  readonly hash: string
  readonly removed_sequence: number | string
  readonly removed_hash: string
}

interface EventRow {
  readonly sequence: number | string
  readonly timestamp: number | string
  readonly execution_id: string
  readonly event: string
  readonly hash: string
}

interface Walk {
  readonly at: Chain.Head
  readonly checked: number
  readonly broken?: Chain.Break
}

const linkOf = ({ event, execution_id, hash, sequence, timestamp }: EventRow): Chain.Link => ({
  sequence: Number(sequence),
  timestamp: Number(timestamp),
  executionId: execution_id,
  event,
  hash
})

/** Checks links up to the first that is broken. */
const follow = (walk: Walk, links: ReadonlyArray<Chain.Link>): Walk => {
  let { at, checked } = walk
  for (const link of links) {
    const broken = Chain.check(at, link)
    checked++
    if (broken) return { at, checked, broken }
    at = link
  }
  return { at, checked }
}

/** Checks one instance's chain, from where retention has removed its beginning to the last event written. */
const verifyOne = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, instance: string) {
  const chain = Effect.map(
    sql<ChainRow>`SELECT sequence, hash, removed_sequence, removed_hash FROM chains WHERE instance = ${instance}`,
    ([row]) => ({
      head: row ? { sequence: Number(row.sequence), hash: row.hash } : Chain.genesis,
      removed: row ? { sequence: Number(row.removed_sequence), hash: row.removed_hash } : Chain.genesis
    })
  )

  const pageAfter = (sequence: number, last: number) =>
    Effect.map(
      sql<EventRow>`SELECT sequence, timestamp, execution_id, event, hash FROM events
        WHERE instance = ${instance} AND sequence > ${sequence} AND sequence <= ${last}
        ORDER BY sequence LIMIT ${pageSize}`,
      (rows) => rows.map(linkOf)
    )

  const { head, removed } = yield* chain
  let walk: Walk = { at: removed, checked: 0 }
  while (walk.broken === undefined && walk.at.sequence < head.sequence) {
    const links = yield* pageAfter(walk.at.sequence, head.sequence)
    walk =
      links.length === 0
        ? { ...walk, broken: { sequence: walk.at.sequence + 1, kind: "missing" } }
        : follow(walk, links)
    // Retention may have removed what comes next in the meantime.
    if (walk.broken?.kind === "missing") {
      const now = yield* chain
      if (now.removed.sequence > walk.at.sequence) walk = { at: now.removed, checked: walk.checked }
    }
    yield* EventLoop.nextTurn
  }
  return verdictOf(instance, walk, head, walk.broken ?? (yield* outside(sql, instance)))
})

/** Events outside the chain's bounds: they were added, or the chain's own row was changed. */
const outside = (sql: SqlClient.SqlClient, instance: string) =>
  Effect.map(
    sql<{ sequence: number | string }>`SELECT MIN(e.sequence) AS sequence FROM events e
      LEFT JOIN chains c ON c.instance = e.instance
      WHERE e.instance = ${instance}
        AND (c.instance IS NULL OR e.sequence > c.sequence OR e.sequence <= c.removed_sequence)`,
    ([row]): Chain.Break | undefined =>
      row && row.sequence !== null ? { sequence: Number(row.sequence), kind: "changed" } : undefined
  )

const verdictOf = (
  instance: string,
  walk: Walk,
  head: Chain.Head,
  found: Chain.Break | undefined
): ChainVerification => {
  const isHead = walk.at.hash === head.hash || walk.at.sequence > head.sequence
  const broken = found ?? (isHead ? undefined : { sequence: walk.at.sequence, kind: "changed" as const })
  return {
    instance,
    intact: broken === undefined && walk.checked > 0,
    checked: walk.checked,
    ...(walk.at.sequence > 0 ? { head: walk.at.hash } : {}),
    ...(broken ? { broken } : {})
  }
}

/** The next instance, by name, that has a chain or an event. */
const instanceAfter = (sql: SqlClient.SqlClient, instance: string) =>
  Effect.map(
    sql<{ instance: string | null }>`SELECT MIN(instance) AS instance FROM (
      SELECT MIN(instance) AS instance FROM chains WHERE instance > ${instance}
      UNION ALL SELECT MIN(instance) AS instance FROM events WHERE instance > ${instance}) AS found`,
    ([row]) => row?.instance ?? undefined
  )

/** Chains in an answer, which must not grow without bound: earlier versions had a new name at each start. */
const mostListed = 1000

const nothing: AuditVerification = { intact: false, checked: 0, chains: [] }

/** What is known after one more chain. */
const including =
  (own: string) =>
  (all: AuditVerification, chain: ChainVerification): AuditVerification => {
    const { broken, checked, head, instance } = chain
    const firstBroken = all.broken ?? (broken && { instance, ...broken })
    const ownHead = instance === own ? head : all.head
    return {
      intact: firstBroken === undefined && all.checked + checked > 0,
      checked: all.checked + checked,
      ...(ownHead === undefined ? {} : { head: ownHead }),
      ...(firstBroken === undefined ? {} : { broken: firstBroken }),
      chains: all.chains.length < mostListed ? [...all.chains, chain] : all.chains
    }
  }

/** Checks the chains of all instances, one after the other. `own` is the instance that asks. */
export const verify = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, own: string) {
  const include = including(own)
  let found = nothing
  let instance = yield* instanceAfter(sql, "")
  while (instance !== undefined) {
    found = include(found, yield* verifyOne(sql, instance))
    instance = yield* instanceAfter(sql, instance)
  }
  return found
})
