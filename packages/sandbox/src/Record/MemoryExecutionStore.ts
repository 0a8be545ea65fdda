import {
  type ExecutionEvent,
  type ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  type Page,
  type PageRequest,
  type Usage,
  type UserId,
  type UserUsage,
  usualPage,
  type Webhook
} from "@bulkhead/domain"
import { Context, Effect, Encoding, Layer, Option, Order, Schema } from "effect"
import type { Announcement } from "../Webhooks/Announcement.js"
import * as MemoryOutbox from "../Webhooks/MemoryOutbox.js"
import { Outbox } from "../Webhooks/Outbox.js"
import { UserWebhooks } from "../Webhooks/UserWebhooks.js"
import { type EndedExecution, type Entry, ExecutionStore } from "./ExecutionStore.js"

export interface MemoryExecutionStoreOptions {
  /** Ended executions that are remembered: the latest. Default 10000. */
  readonly executions?: number
  /** Characters of output that the kept results may hold together. Default 16 Mi. */
  readonly resultRoom?: number
}

interface Remembered {
  summary: ExecutionSummary
  readonly webhook?: Webhook
  readonly events: Array<ExecutionEvent>
  result?: ExecutionResult
  usage?: Usage
}

type Place = readonly [number, string]

const placeSchema = Schema.parseJson(Schema.Tuple(Schema.Number, Schema.String))

const encodeCursor = (place: Place) => Encoding.encodeBase64Url(JSON.stringify(place))

const decodeCursor = (cursor: string): Option.Option<Place> =>
  Option.flatMap(
    Option.getRight(Encoding.decodeBase64UrlString(cursor)),
    Schema.decodeUnknownOption(placeSchema)
  )

const inOrder: Order.Order<Place> = Order.tuple(Order.number, Order.string)

/** The items after the cursor, in order. A cursor that this store did not give out leads to an empty page. */
const pageOf = <A>(
  items: ReadonlyArray<A>,
  { cursor, limit = usualPage }: PageRequest,
  placeOf: (item: A) => Place,
  order: Order.Order<Place> = inOrder
): Page<A> => {
  const after = cursor === undefined ? undefined : decodeCursor(cursor)
  if (after && Option.isNone(after)) return { items: [] }
  const rest = items
    .filter((item) => !after || order(placeOf(item), after.value) > 0)
    .sort((a, b) => order(placeOf(a), placeOf(b)))
  const shown = rest.slice(0, limit)
  const last = shown.at(-1)
  return rest.length > limit && last !== undefined
    ? { items: shown, nextCursor: encodeCursor(placeOf(last)) }
    : { items: shown }
}

const within = (time: number, { from, to }: { readonly from?: number; readonly to?: number }) =>
  (from === undefined || time >= from) && (to === undefined || time < to)

const sizeOf = ({ stderr, stdout }: ExecutionResult) => stdout.length + stderr.length + 1024

const networkCounts = ["networkConnections", "networkDenied", "sentBytes", "receivedBytes"] as const

/** Absent where nobody has counted. */
const addedNetwork = (sum: Usage, usage: Usage): Partial<Usage> =>
  Object.fromEntries(
    networkCounts.flatMap((count) =>
      sum[count] === undefined && usage[count] === undefined
        ? []
        : [[count, (sum[count] ?? 0) + (usage[count] ?? 0)]]
    )
  )

const added = (sum: UserUsage, usage: Usage): UserUsage => ({
  userId: sum.userId,
  executions: sum.executions + 1,
  sandboxMs: sum.sandboxMs + usage.sandboxMs,
  vcpuSeconds: sum.vcpuSeconds + usage.vcpuSeconds,
  gibSeconds: sum.gibSeconds + usage.gibSeconds,
  gpuSeconds: sum.gpuSeconds + usage.gpuSeconds,
  artifactBytes: sum.artifactBytes + usage.artifactBytes,
  ...addedNetwork(sum, usage),
  costUsd: sum.costUsd + usage.costUsd
})

const nothingUsed = (userId: UserId): UserUsage => ({
  userId,
  executions: 0,
  sandboxMs: 0,
  vcpuSeconds: 0,
  gibSeconds: 0,
  gpuSeconds: 0,
  artifactBytes: 0,
  costUsd: 0
})

const make = (
  { executions = 10_000, resultRoom = 16 * 1_048_576 }: MemoryExecutionStoreOptions,
  messages: Effect.Effect.Success<typeof MemoryOutbox.make>
) => {
  const known = new Map<ExecutionId, Remembered>()
  // In the order in which they ended, so that the first is the first to be forgotten.
  const ended = new Map<ExecutionId, Remembered>()
  const withResult = new Map<ExecutionId, ExecutionResult>()
  let resultSize = 0
  let eventCount = 0

  const forgetResult = (executionId: ExecutionId) => {
    const result = withResult.get(executionId)
    if (!result) return
    withResult.delete(executionId)
    resultSize -= sizeOf(result)
    const remembered = known.get(executionId)
    if (remembered) delete remembered.result
  }

  const keepResult = (remembered: Remembered, result: ExecutionResult) => {
    remembered.result = result
    withResult.set(result.executionId, result)
    resultSize += sizeOf(result)
    for (const oldest of withResult.keys()) {
      if (resultSize <= resultRoom) return
      forgetResult(oldest)
    }
  }

  const forgetOldest = () => {
    const oldest = ended.entries().next()
    if (oldest.done || ended.size <= executions) return
    const [executionId, { events }] = oldest.value
    forgetResult(executionId)
    ended.delete(executionId)
    known.delete(executionId)
    eventCount -= events.length
  }

  const began = (execution: ExecutionSummary, webhook: Webhook | undefined) => {
    if (!known.has(execution.executionId))
      known.set(execution.executionId, { summary: execution, events: [], ...(webhook ? { webhook } : {}) })
  }

  const announce = (announcement: Announcement) => {
    const remembered = known.get(announcement.executionId)
    return remembered ? messages.announce(remembered.summary, remembered.webhook, announcement) : Effect.void
  }

  const happened = (event: ExecutionEvent) => {
    const remembered = known.get(event.executionId)
    if (!remembered) return
    remembered.events.push(event)
    eventCount++
  }

  const end = ({ endedAt, executionId, result, usage, verdict }: EndedExecution) => {
    const remembered = known.get(executionId)
    if (!remembered || ended.has(executionId)) return
    remembered.summary = { ...remembered.summary, state: "ended", endedAt, verdict }
    if (result) keepResult(remembered, result)
    if (usage) remembered.usage = usage
    ended.set(executionId, remembered)
    forgetOldest()
  }

  const take = (entry: Entry) => {
    switch (entry._tag) {
      case "Began":
        return began(entry.execution, entry.webhook)
      case "Happened":
        return happened(entry.event)
      case "Ended":
        return end(entry.end)
      case "Announced":
        return announce(entry.announcement)
    }
  }

  const append: ExecutionStore["Type"]["append"] = (entries) =>
    Effect.suspend(() => {
      const announcing = entries.flatMap((entry) => take(entry) ?? [])
      return announcing.length === 0 ? Effect.void : Effect.all(announcing, { discard: true })
    })

  const find: ExecutionStore["Type"]["find"] = (executionId) =>
    Effect.sync(() =>
      Option.map(Option.fromNullable(known.get(executionId)), ({ result, summary }) => ({
        ...summary,
        ...(result ? { result } : {})
      }))
    )

  const list: ExecutionStore["Type"]["list"] = (query) =>
    Effect.sync(() => {
      const matching = [...known.values()]
        .map(({ summary }) => summary)
        .filter(
          (execution) =>
            (query.userId === undefined || execution.userId === query.userId) &&
            (query.state === undefined || execution.state === query.state) &&
            (query.verdict === undefined || execution.verdict === query.verdict) &&
            within(execution.startedAt, query)
        )
      return pageOf(
        matching,
        query,
        ({ executionId, startedAt }): Place => [startedAt, executionId],
        Order.reverse(inOrder)
      )
    })

  const events: ExecutionStore["Type"]["events"] = (executionId, query) =>
    Effect.sync(() => {
      const matching = (known.get(executionId)?.events ?? [])
        .map((event, index) => ({ event, index }))
        .filter(
          ({ event }) =>
            (query.level === undefined || event.level === query.level) &&
            (query.event === undefined || event.event === query.event) &&
            within(event.timestamp, query)
        )
      const { items, ...rest } = pageOf(matching, query, ({ index }): Place => [index, executionId])
      return { items: items.map(({ event }) => event), ...rest }
    })

  const usage: ExecutionStore["Type"]["usage"] = (query) =>
    Effect.sync(() => {
      const users = new Map<UserId, UserUsage>()
      for (const { summary, usage } of ended.values()) {
        const { endedAt, userId } = summary
        if (!usage || endedAt === undefined || !within(endedAt, query)) continue
        if (query.userId !== undefined && userId !== query.userId) continue
        users.set(userId, added(users.get(userId) ?? nothingUsed(userId), usage))
      }
      return pageOf([...users.values()], query, ({ userId }): Place => [0, userId])
    })

  return ExecutionStore.of({
    append,
    ready: Effect.void,
    commit: Effect.void,
    find,
    list,
    events,
    usage,
    verify: Effect.sync(() => ({ intact: eventCount > 0, checked: eventCount, chains: [] })),
    unfinished: Effect.succeed([])
  })
}

/**
 * An execution store in memory, gone with the process: all live executions, and the latest that ended. Nothing outside
 * can change it, so there is no chain of hashes, and `verify` always succeeds. Events of an execution that did not
 * begin here are dropped. Messages to webhooks are in memory too.
 */
export const layer = (
  options: MemoryExecutionStoreOptions = {}
): Layer.Layer<ExecutionStore | Outbox | UserWebhooks> =>
  Layer.effectContext(
    Effect.map(MemoryOutbox.make, (messages) =>
      Context.make(ExecutionStore, make(options, messages)).pipe(
        Context.add(Outbox, messages.outbox),
        Context.add(UserWebhooks, messages.userWebhooks)
      )
    )
  )
