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

const parseLimit = (given: string | null) => {
  const limit = given === null ? MOST_LISTED : Number(given)
  return Number.isInteger(limit) && limit >= 1 && limit <= MOST_LISTED
    ? Effect.succeed(limit)
    : refuse(`limit takes 1 to ${MOST_LISTED}`)
}

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

const positionOf = (token: string): Position => {
  const [startedAt, id = ""] = token.split(".")
  return { startedAt: Number(startedAt), id }
}

/** The sandboxes of which a query asks for one page, in its order. */
const select = (
  records: ReadonlyArray<SandboxRecord>,
  query: URLSearchParams,
  order: Order.Order<Position>
) =>
  Effect.gen(function* () {
    const states = query.getAll("state").flatMap((text) => text.split(","))
    if (states.length > 0 && !states.includes("running")) return []
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
  const limit = yield* parseLimit(query.get("limit"))
  const order = query.get("order") === "asc" ? Order.reverse(newestFirst) : newestFirst
  const selected = yield* select(records, query, order)
  const token = query.get("nextToken") ?? ""
  const rest = token === "" ? selected : selected.filter((record) => order(positionOf(token), record) < 0)
  const shown = rest.slice(0, limit)
  const last = shown[shown.length - 1]
  return {
    records: shown,
    next: last !== undefined && rest.length > limit ? tokenOf(last) : undefined
  } satisfies Page
})
