import type { LimitValues } from "@bulkhead/domain"
import { useState } from "preact/hooks"
import { isConnected } from "../api/Live.js"
import { get, put, wordsOf } from "../api/Requests.js"
import { type Session, session } from "../api/Session.js"
import { useLoaded } from "../api/useLoaded.js"
import { Failure, Status } from "../parts/Notice.js"

type Limit = Session["limits"][number]

const Row = ({
  limit: { isFixed, meaning, name },
  value,
  written,
  onWrite
}: {
  readonly limit: Limit
  readonly value: number
  readonly written: string | undefined
  readonly onWrite: (text: string) => void
}) => (
  <tr>
    <th scope="row">
      <label for={`limit-${name}`}>
        <code>{name}</code>
      </label>
    </th>
    <td>
      <input
        id={`limit-${name}`}
        class="number"
        inputMode="decimal"
        value={written ?? String(value)}
        disabled={isFixed}
        aria-describedby={`meaning-${name}`}
        autocomplete="off"
        onInput={({ currentTarget }) => onWrite(currentTarget.value)}
      />
    </td>
    <td id={`meaning-${name}`} class="quiet">
      {meaning}
      {isFixed && " (fixed at the start)"}
    </td>
  </tr>
)

/** What is written where a number is meant stays a text, of which the server says what is wrong. */
const valueOf = (text: string): number | string =>
  text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text)

/** The limits in force, to read and to change. */
export const Limits = () => {
  const [saves, setSaves] = useState(0)
  const [written, setWritten] = useState<Readonly<Record<string, string>>>({})
  const [failure, setFailure] = useState<string>()
  const [status, setStatus] = useState("")
  const loaded = useLoaded(
    (abort) => get<LimitValues>("/api/sandbox/limits", abort),
    "limits",
    `${saves} ${isConnected.value}`
  )
  const values = loaded.value
  const limits = session.value?.limits ?? []
  const changes = limits.filter(
    ({ name }) =>
      values !== undefined && written[name] !== undefined && written[name] !== String(values[name])
  )

  const save = async (event: Event) => {
    event.preventDefault()
    setStatus("")
    setFailure(undefined)
    const sent = written
    const body = Object.fromEntries(changes.map(({ name }) => [name, valueOf(sent[name] ?? "")]))
    await put<LimitValues>("/api/sandbox/limits", body).then(
      () => {
        setStatus(`In force: ${changes.map(({ name }) => `${name} ${sent[name]}`).join(", ")}`)
        // What was written meanwhile is the next change.
        setWritten((now) =>
          Object.fromEntries(Object.entries(now).filter(([name, text]) => text !== sent[name]))
        )
        setSaves((count) => count + 1)
      },
      (failed) => setFailure(wordsOf(failed))
    )
  }

  return (
    <>
      <h1>Limits</h1>
      <p class="quiet">
        Changes count for what comes from now on and for who waits. A restart forgets them: what stays is in
        the settings.
      </p>
      <Failure message={loaded.failure} />
      {values && (
        <form onSubmit={save}>
          <div class="bar">
            <button type="submit" class="primary" disabled={changes.length === 0}>
              Apply
            </button>
            <button type="button" disabled={changes.length === 0} onClick={() => setWritten({})}>
              Undo
            </button>
            <span class="quiet">
              {changes
                .map(({ name }) => `${name}: ${values[name]} → ${(written[name] ?? "").slice(0, 20)}`)
                .join(", ")}
            </span>
            <Status>{status}</Status>
            <Failure message={failure} />
          </div>
          <table class="limits">
            <thead>
              <tr>
                <th scope="col">Limit</th>
                <th scope="col">Value</th>
                <th scope="col">What it bounds</th>
              </tr>
            </thead>
            <tbody>
              {limits.map((limit) => (
                <Row
                  key={limit.name}
                  limit={limit}
                  value={values[limit.name]}
                  written={written[limit.name]}
                  onWrite={(text) => setWritten((now) => ({ ...now, [limit.name]: text }))}
                />
              ))}
            </tbody>
          </table>
        </form>
      )}
    </>
  )
}
