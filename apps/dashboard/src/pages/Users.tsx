import type { UserUsage } from "@bulkhead/domain"
import { useState } from "preact/hooks"
import { interval } from "../api/Beat.js"
import { isConnected, tick } from "../api/Live.js"
import { get, query } from "../api/Requests.js"
import { useLoaded } from "../api/useLoaded.js"
import { Empty, Failure } from "../parts/Notice.js"
import { Scroll } from "../parts/Scroll.js"
import { Text } from "../parts/Text.js"
import { to } from "../Routes.js"
import { bytes, count, dollars, duration } from "../text/Format.js"

interface UsagePage {
  readonly usage: ReadonlyArray<UserUsage>
  readonly nextCursor?: string
}

/** Pages of a thousand users: whoever has more is told that not all are counted. */
const mostPages = 10

const day = 86_400_000
const spans = {
  "last hour": day / 24,
  "last 24 hours": day,
  "last 7 days": 7 * day,
  "last 30 days": 30 * day
} as const
type Span = keyof typeof spans

const orders = {
  cost: ({ costUsd }: UserUsage) => costUsd,
  time: ({ sandboxMs }: UserUsage) => sandboxMs,
  executions: ({ executions }: UserUsage) => executions
}
type Order = keyof typeof orders

/** The whole of it, since the server sorts by name. */
const load = async (span: Span, abort: AbortSignal) => {
  const from = String(Date.now() - spans[span])
  const all: Array<UserUsage> = []
  let cursor: string | undefined
  for (let page = 0; page < mostPages; page++) {
    const { nextCursor, usage } = await get<UsagePage>(
      `/api/sandbox/usage${query({ from, limit: "1000", cursor })}`,
      abort
    )
    all.push(...usage)
    if (nextCursor === undefined) return { all, isWhole: true }
    cursor = nextCursor
  }
  return { all, isWhole: false }
}

const minute = 60_000

const useUsage = (span: Span) =>
  useLoaded(
    (abort) => load(span, abort),
    span,
    `${isConnected.value} ${Math.floor((tick.value?.at ?? 0) / minute)}`,
    interval
  )

const sorted = (all: ReadonlyArray<UserUsage>, order: Order, most: number) =>
  all.toSorted((one, other) => orders[order](other) - orders[order](one)).slice(0, most)

const Share = ({ value, most }: { readonly value: number; readonly most: number }) => (
  <span class="share" aria-hidden="true">
    <span style={{ width: `${most === 0 ? 0 : Math.round((100 * value) / most)}%` }} />
  </span>
)

const UsageTable = ({
  users,
  order,
  name
}: {
  readonly users: ReadonlyArray<UserUsage>
  readonly order: Order
  readonly name: string
}) => {
  const most = Math.max(0, ...users.map(orders[order]))
  if (users.length === 0) return <Empty>Nobody used anything.</Empty>
  return (
    <Scroll name={name}>
      <table>
        <thead>
          <tr>
            <th scope="col">User</th>
            <th scope="col" class="number">
              Executions
            </th>
            <th scope="col" class="number">
              Sandbox time
            </th>
            <th scope="col" class="number">
              Artifacts
            </th>
            <th scope="col" class="number">
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {users.map((user) => (
            <tr key={user.userId}>
              <td>
                <a href={to("executions", undefined, { userId: user.userId })}>
                  <Text value={user.userId} most={40} />
                </a>
                <Share value={orders[order](user)} most={most} />
              </td>
              <td class="number">{count(user.executions)}</td>
              <td class="number">{duration(user.sandboxMs)}</td>
              <td class="number">{bytes(user.artifactBytes)}</td>
              <td class="number">{dollars(user.costUsd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

/** Who used most of late. */
export const TopUsers = () => {
  const { failure, value } = useUsage("last 24 hours")
  const order = value?.all.some(({ costUsd }) => costUsd > 0) ? "cost" : "time"
  return (
    <section class="card">
      <header>
        <h2>Users, last 24 hours</h2>
        <a href={to("users")}>All users</a>
      </header>
      <Failure message={failure} />
      {value && <UsageTable users={sorted(value.all, order, 8)} order={order} name="Users, last 24 hours" />}
    </section>
  )
}

const mostRows = 200

/** Users by what they used and what it cost. */
export const Users = () => {
  const [span, setSpan] = useState<Span>("last 24 hours")
  const [order, setOrder] = useState<Order>("cost")
  const { failure, value } = useUsage(span)
  return (
    <>
      <h1>Users</h1>
      <form class="filters" aria-label="What is shown" onSubmit={(event) => event.preventDefault()}>
        <label>
          Ended in
          <select value={span} onChange={({ currentTarget }) => setSpan(currentTarget.value as Span)}>
            {Object.keys(spans).map((name) => (
              <option key={name} value={name}>
                the {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Most first by
          <select value={order} onChange={({ currentTarget }) => setOrder(currentTarget.value as Order)}>
            <option value="cost">cost</option>
            <option value="time">sandbox time</option>
            <option value="executions">executions</option>
          </select>
        </label>
      </form>
      <Failure message={failure} />
      {value === undefined ? (
        failure === undefined && <p class="empty">Loading…</p>
      ) : (
        <>
          <p class="quiet">
            {count(value.all.length)} users{value.isWhole ? "" : " and more, which are not counted here"},{" "}
            {dollars(value.all.reduce((sum, { costUsd }) => sum + costUsd, 0))} in all.
            {value.all.length > mostRows && ` The first ${mostRows} are shown.`}
          </p>
          <UsageTable users={sorted(value.all, order, mostRows)} order={order} name="Users" />
        </>
      )}
    </>
  )
}
