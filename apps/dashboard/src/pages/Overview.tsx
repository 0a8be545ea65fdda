import type { LimitValues, SystemMetrics } from "@bulkhead/domain"
import type { ComponentChildren } from "preact"
import { useMemo } from "preact/hooks"
import { interval } from "../api/Beat.js"
import { isConnected, revision, samples, tick } from "../api/Live.js"
import { get } from "../api/Requests.js"
import { useLoaded } from "../api/useLoaded.js"
import { ExecutionTable } from "../parts/ExecutionTable.js"
import { Failure } from "../parts/Notice.js"
import { Plot, type Series } from "../parts/Plot.js"
import { to } from "../Routes.js"
import { bytes, count } from "../text/Format.js"
import type { ExecutionPage } from "./Executions.js"
import { TopUsers } from "./Users.js"

const Figure = ({
  name,
  value,
  children
}: {
  readonly name: string
  readonly value: string
  readonly children?: ComponentChildren
}) => (
  <div class="figure">
    <dt>{name}</dt>
    <dd>
      <strong>{value}</strong>
      <span class="quiet">{children}</span>
    </dd>
  </div>
)

const circuitWords = {
  closed: "sandboxes are asked for",
  open: "the provider is left alone",
  "half-open": "the next request is a try"
} as const

const Figures = ({
  metrics,
  limits
}: {
  readonly metrics: SystemMetrics
  readonly limits: LimitValues | undefined
}) => {
  const { pool, webhooks, mcp } = metrics
  const asked = pool.hits + pool.misses
  return (
    <dl class="figures">
      <Figure name="Running" value={count(metrics.activeExecutions)}>
        {limits && `of ${count(limits.maxConcurrentSandboxes)}, ${metrics.utilizationPercent} %`}
      </Figure>
      <Figure name="Waiting" value={count(metrics.queuedExecutions)}>
        {limits && `of ${count(limits.maxQueued)}`}
      </Figure>
      <Figure name="Users now" value={count(metrics.totalUsers)}>
        with work here
      </Figure>
      <Figure name="Pool" value={`${count(pool.idle)} / ${count(pool.target)}`}>
        {asked > 0 ? `ready / wanted, ${Math.round((100 * pool.hits) / asked)} % hits` : "ready / wanted"}
      </Figure>
      <Figure name="Circuit" value={metrics.circuit}>
        {circuitWords[metrics.circuit]}
      </Figure>
      <Figure name="Artifacts" value={bytes(metrics.artifactBytes)}>
        uploads {bytes(metrics.uploadBytes)}
      </Figure>
      <Figure name="Readers" value={count(metrics.openStreams)}>
        {mcp ? `${count(mcp.sessions)} MCP sessions` : "streams"}
      </Figure>
      {webhooks && (
        <Figure name="Webhooks" value={count(webhooks.pending)}>
          pending, {count(webhooks.failed)} given up
        </Figure>
      )}
    </dl>
  )
}

const load: ReadonlyArray<Series> = [
  { label: "running", colour: "--plot-a", isFilled: true },
  { label: "waiting", colour: "--plot-b" },
  { label: "users", colour: "--plot-c", isDashed: true }
]

const pool: ReadonlyArray<Series> = [
  { label: "ready", colour: "--plot-a", isFilled: true },
  { label: "wanted", colour: "--plot-b", isDashed: true }
]

const Plots = () => {
  const all = samples.value
  const data = useMemo(
    () => ({
      at: all.map(({ at }) => at / 1000),
      active: all.map(({ active }) => active),
      queued: all.map(({ queued }) => queued),
      users: all.map(({ users }) => users),
      idle: all.map(({ poolIdle }) => poolIdle),
      target: all.map(({ poolTarget }) => poolTarget)
    }),
    [all]
  )
  const busy = useMemo(() => [data.at, data.active, data.queued, data.users], [data])
  const ready = useMemo(() => [data.at, data.idle, data.target], [data])
  const now = all.at(-1)
  if (now === undefined) return null
  const most = Math.max(...data.active)
  return (
    <div class="plots">
      <Plot
        title="Load"
        words={`${now.active} running and ${now.queued} waiting now, at most ${most} running in the last hour`}
        series={load}
        data={busy}
      />
      <Plot
        title="Pool"
        words={`${now.poolIdle} sandboxes ready of ${now.poolTarget} that are wanted now`}
        series={pool}
        data={ready}
      />
    </div>
  )
}

const Latest = () => {
  const { value, failure } = useLoaded(
    (abort) => get<ExecutionPage>("/api/sandbox/executions?limit=12", abort),
    "latest",
    revision.value,
    interval
  )
  return (
    <section class="card">
      <header>
        <h2>Latest executions</h2>
        <a href={to("executions")}>All executions</a>
      </header>
      <Failure message={failure} />
      {value && <ExecutionTable executions={value.executions} name="Latest executions" />}
    </section>
  )
}

/** What is going on, at a glance. */
export const Overview = () => {
  const { value: limits } = useLoaded(
    (abort) => get<LimitValues>("/api/sandbox/limits", abort),
    "limits",
    isConnected.value ? 1 : 0
  )
  const now = tick.value
  return (
    <>
      <h1>Overview</h1>
      {now && !now.readiness.ready && <Failure message={`No new work: ${now.readiness.reason ?? ""}`} />}
      {now === undefined ? (
        <p class="empty">Connecting…</p>
      ) : (
        <Figures metrics={now.metrics} limits={limits} />
      )}
      <Plots />
      <div class="columns">
        <Latest />
        <TopUsers />
      </div>
    </>
  )
}
