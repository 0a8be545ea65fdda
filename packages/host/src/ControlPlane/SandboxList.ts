import { DateTime, Effect, Option, Order } from "effect"
import { RequestRefused } from "../HostErrors.js"
import type { SandboxRecord } from "./SandboxTable.js"

/** Most sandboxes of one page. */
const MOST_LISTED = 100

/** One page of a list; `next` is what asks for the one after it. */
export interface Page {
  readonly records: ReadonlyArray<SandboxRecord>
  readonly next: string | undefined
}

const refuse = (message: string) => new RequestRefused({ status: 400, message })

const unescape = (text: string) =>
  Option.liftThrowable(decodeURIComponent)(text.replaceAll("+", " ")).pipe(
    Effect.mapError(() => refuse("the metadata filter is not well encoded"))
  )

/** The filter is encoded twice more within the query's own encoding: as a whole, and each key and value. */
const parseMetadata = (given: string) =>
  Effect.gen(function* () {
    const whole = yield* unescape(given)
    const pairs = whole.split("&").filter((pair) => pair !== "")
    return yield* Effect.forEach(pairs, (pair) => {
      const at = pair.indexOf("=")
      if (at < 0) return refuse("the metadata filter takes key=value pairs")
      return Effect.all([unescape(pair.slice(0, at)), unescape(pair.slice(at + 1))])
    })
  })

const parseLimit = (given: string) =>
  /^[0-9]{1,3}$/.test(given) && Number(given) >= 1 && Number(given) <= MOST_LISTED
    ? Effect.succeed(Number(given))
    : refuse(`limit takes 1 to ${MOST_LISTED}`)

/** Milliseconds since 1970; without a time, all of them. */
const parseTime = (given: string) => {
  if (given === "") return Effect.succeed(Number.NEGATIVE_INFINITY)
  return Option.match(DateTime.make(given), {
    onNone: () => refuse("startedAfter takes a time like 2026-01-31T12:00:00Z"),
    onSome: (time) => Effect.succeed(DateTime.toEpochMillis(time))
  })
}

type Position = Pick<SandboxRecord, "startedAt" | "id">

const newestFirst: Order.Order<Position> = Order.combine(
  Order.reverse(Order.mapInput(Order.number, ({ startedAt }: Position) => startedAt)),
  Order.mapInput(Order.string, ({ id }: Position) => id)
)

const tokenOf = ({ id, startedAt }: Position) => `${startedAt}.${id}`

const positionOf = (token: string) => {
  const [, startedAt, id] = /^([0-9]{1,15})\.(\w{1,100})$/.exec(token) ?? []
  return startedAt === undefined || id === undefined
    ? refuse("nextToken takes what the header x-next-token of the page before had")
    : Effect.succeed<Position>({ startedAt: Number(startedAt), id })
}

const orders = new Map([
  ["desc", newestFirst],
  ["asc", Order.reverse(newestFirst)]
])

const parseOrder = (given: string) =>
  Effect.fromNullable(orders.get(given)).pipe(Effect.mapError(() => refuse("order takes asc or desc")))

const states = new Set(["running", "paused"])

const parseStates = (given: ReadonlyArray<string>) => {
  const wanted = given.flatMap((text) => text.split(","))
  return wanted.every((state) => states.has(state))
    ? Effect.succeed(wanted)
    : refuse("state takes running, paused, or both with a comma between")
}

/** The parameters of a list. */
const known = new Set(["limit", "metadata", "nextToken", "order", "startedAfter", "state", "template"])

const checkKnown = (query: URLSearchParams) => {
  const strange = [...query.keys()].find((name) => !known.has(name))
  return strange === undefined
    ? Effect.void
    : refuse(`lists take ${[...known].join(", ")}, and no other parameters`)
}

/** The sandboxes of which a query asks for one page, in its order. */
const select = (
  records: ReadonlyArray<SandboxRecord>,
  query: URLSearchParams,
  order: Order.Order<Position>
) =>
  Effect.gen(function* () {
    const wanted = yield* parseStates(query.getAll("state"))
    if (wanted.length > 0 && !wanted.includes("running")) return []
    const metadata = yield* parseMetadata(query.get("metadata") ?? "")
    const template = query.get("template")
    const startedAfter = yield* parseTime(query.get("startedAfter") ?? "")
    return records
      .filter((record) => metadata.every(([key, value]) => record.metadata[key] === value))
      .filter((record) => template === null || record.template === template)
      .filter((record) => record.startedAt >= startedAfter)
      .toSorted(order)
  })

/** The page of sandboxes that a query asks for. */
export const page = Effect.fnUntraced(function* (
  records: ReadonlyArray<SandboxRecord>,
  query: URLSearchParams
) {
  yield* checkKnown(query)
  const limit = yield* parseLimit(query.get("limit") ?? String(MOST_LISTED))
  const order = yield* parseOrder(query.get("order") ?? "desc")
  const selected = yield* select(records, query, order)
  const token = query.get("nextToken")
  const from = token === null ? undefined : yield* positionOf(token)
  const rest = from === undefined ? selected : selected.filter((record) => order(from, record) < 0)
  const shown = rest.slice(0, limit)
  const last = shown[shown.length - 1]
  return {
    records: shown,
    next: last !== undefined && rest.length > limit ? tokenOf(last) : undefined
  } satisfies Page
})
