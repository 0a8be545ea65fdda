import type { ExecutionSummary } from "@bulkhead/domain"
import { useState } from "preact/hooks"
import { interval } from "../api/Beat.js"
import { revision } from "../api/Live.js"
import { get, query } from "../api/Requests.js"
import { session } from "../api/Session.js"
import { useLoaded } from "../api/useLoaded.js"
import { ExecutionTable } from "../parts/ExecutionTable.js"
import { Failure } from "../parts/Notice.js"
import { UserField } from "../parts/UserField.js"
import { filterBy, type Route, to } from "../Routes.js"

export interface ExecutionPage {
  readonly executions: ReadonlyArray<ExecutionSummary>
  readonly nextCursor?: string
}

const rows = 50

const filters = ["userId", "state", "verdict", "from", "to"] as const
type Filter = Readonly<Partial<Record<(typeof filters)[number], string>>>

/** The server takes ISO 8601 with a time zone, and the field has none. */
const instant = (local: string | undefined) =>
  local && !Number.isNaN(Date.parse(local)) ? new Date(local).toISOString() : undefined

const Choice = ({
  name,
  label,
  words,
  value,
  onChange
}: {
  readonly name: string
  readonly label: string
  readonly words: ReadonlyArray<string>
  readonly value: string | undefined
  readonly onChange: (value: string) => void
}) => (
  <label>
    {label}
    <select name={name} value={value ?? ""} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
      <option value="">any</option>
      {words.map((word) => (
        <option key={word} value={word}>
          {word}
        </option>
      ))}
    </select>
  </label>
)

const Filters = ({ filter }: { readonly filter: Filter }) => {
  const change = (name: keyof Filter, value: string) => filterBy("executions", { ...filter, [name]: value })
  const { states = [], verdicts = [] } = session.value ?? {}
  return (
    <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      <UserField value={filter.userId} onEnter={(userId) => change("userId", userId)} />
      <Choice
        name="state"
        label="State"
        words={states}
        value={filter.state}
        onChange={(value) => change("state", value)}
      />
      <Choice
        name="verdict"
        label="Verdict"
        words={verdicts}
        value={filter.verdict}
        onChange={(value) => change("verdict", value)}
      />
      <label>
        Began from
        <input
          name="from"
          type="datetime-local"
          value={filter.from ?? ""}
          onChange={({ currentTarget }) => change("from", currentTarget.value)}
        />
      </label>
      <label>
        until
        <input
          name="to"
          type="datetime-local"
          value={filter.to ?? ""}
          onChange={({ currentTarget }) => change("to", currentTarget.value)}
        />
      </label>
      <a class="button" href={to("executions")}>
        All
      </a>
    </form>
  )
}

/** One filter's pages. The first is live; what is further back changes little, and stays as it was loaded. */
const Pages = ({ filter }: { readonly filter: Filter }) => {
  const [cursors, setCursors] = useState<ReadonlyArray<string>>([])
  const cursor = cursors.at(-1)
  const path = `/api/sandbox/executions${query({
    ...filter,
    from: instant(filter.from),
    to: instant(filter.to),
    limit: String(rows),
    cursor
  })}`
  const { value, failure } = useLoaded(
    (abort) => get<ExecutionPage>(path, abort),
    path,
    cursor === undefined ? revision.value : "",
    interval
  )
  const next = value?.nextCursor
  return (
    <>
      <Failure message={failure} />
      {value === undefined ? (
        failure === undefined && <p class="empty">Loading…</p>
      ) : (
        <ExecutionTable executions={value.executions} name="Executions" />
      )}
      <nav class="pages" aria-label="Pages">
        <button type="button" disabled={cursors.length === 0} onClick={() => setCursors([])}>
          Newest
        </button>
        <button
          type="button"
          disabled={cursors.length === 0}
          onClick={() => setCursors(cursors.slice(0, -1))}
        >
          Newer
        </button>
        <span class="quiet">{cursor === undefined ? "Page 1, live" : `Page ${cursors.length + 1}`}</span>
        <button
          type="button"
          disabled={next === undefined}
          onClick={() => next !== undefined && setCursors([...cursors, next])}
        >
          Older
        </button>
      </nav>
    </>
  )
}

/** Executions, newest first, by everything that the API filters by. */
export const Executions = ({ route }: { readonly route: Route }) => {
  const filter: Filter = Object.fromEntries(
    filters.flatMap((name) => (route.query[name] ? [[name, route.query[name]]] : []))
  )
  return (
    <>
      <h1>Executions</h1>
      <Filters filter={filter} />
      <Pages key={JSON.stringify(filter)} filter={filter} />
    </>
  )
}
