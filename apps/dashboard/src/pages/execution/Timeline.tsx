import type { ExecutionEvent } from "@bulkhead/domain"
import { Text } from "../../parts/Text.js"
import { duration, iso } from "../../text/Format.js"
import { visibleLines } from "../../text/Visible.js"

const mostData = 8000

const Event = ({ event, start }: { readonly event: ExecutionEvent; readonly start: number }) => (
  <li class={event.level}>
    <time dateTime={iso(event.timestamp)} title={iso(event.timestamp)}>
      +{duration(Math.max(0, event.timestamp - start))}
    </time>
    <div>
      <code>{event.event}</code> {event.level !== "info" && <span class="sr-only">({event.level})</span>}
      <Text value={event.message} most={500} />
      {event.data && (
        <details>
          <summary>facts</summary>
          <pre>{visibleLines(JSON.stringify(event.data, null, 2).slice(0, mostData))}</pre>
        </details>
      )}
    </div>
  </li>
)

/** What happened to an execution, from its log. */
export const Timeline = ({ events }: { readonly events: ReadonlyArray<ExecutionEvent> }) => {
  const start = events[0]?.timestamp ?? 0
  return (
    <section class="card">
      <h2>Timeline</h2>
      <ol class="timeline">
        {events.map((event, index) => (
          <Event key={`${index} ${event.event}`} event={event} start={start} />
        ))}
      </ol>
    </section>
  )
}
