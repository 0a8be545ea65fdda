import type { ExecutionEvent, ExecutionRecord } from "@bulkhead/domain"
import { useState } from "preact/hooks"
import { interval } from "../../api/Beat.js"
import { revision, tick } from "../../api/Live.js"
import { get, segment } from "../../api/Requests.js"
import { useLoaded } from "../../api/useLoaded.js"
import { KillDialog } from "../../parts/KillDialog.js"
import { ExecutionMark } from "../../parts/Marks.js"
import { Failure, Status } from "../../parts/Notice.js"
import { Text } from "../../parts/Text.js"
import { to } from "../../Routes.js"
import { duration, iso, moment } from "../../text/Format.js"
import { Artifacts } from "./Artifacts.js"
import { KeptOutput, StreamedOutput } from "./Output.js"
import { Timeline } from "./Timeline.js"
import { Verdict } from "./Verdict.js"

const Facts = ({ execution }: { readonly execution: ExecutionRecord }) => {
  const { endedAt, image, language, startedAt, traceId, userId } = execution
  const now = tick.value?.at ?? startedAt
  return (
    <p class="facts-line">
      <span>
        of{" "}
        <a href={to("executions", undefined, { userId })}>
          <Text value={userId} />
        </a>
      </span>
      {language && (
        <span>
          in <Text value={language} most={40} />
        </span>
      )}
      {image && (
        <span>
          on <Text value={image} most={60} />
        </span>
      )}
      <span>
        began <time dateTime={iso(startedAt)}>{moment(startedAt, now)}</time>
      </span>
      <span>
        {endedAt === undefined ? "for" : "took"} {duration(Math.max(0, (endedAt ?? now) - startedAt))}
      </span>
      {traceId && (
        <span>
          trace{" "}
          <code class="whole">
            <Text value={traceId} most={64} />
          </code>
        </span>
      )}
    </p>
  )
}

const Killing = ({ executionId }: { readonly executionId: string }) => {
  const [isAsked, setAsked] = useState(false)
  const [isKilled, setKilled] = useState(false)
  return (
    <>
      <button type="button" class="danger" disabled={isKilled} onClick={() => setAsked(true)}>
        End it…
      </button>
      <Status>{isKilled ? "Its end is under way." : ""}</Status>
      {isAsked && (
        <KillDialog
          executionId={executionId}
          onClose={(killed) => {
            setAsked(false)
            if (killed) setKilled(true)
          }}
        />
      )}
    </>
  )
}

/** Half as often as a list, since its record and its log are two. */
const pace = 2 * interval

/** One execution: what happens to it, what it writes, and what came of it. */
export const Execution = ({ id }: { readonly id: string }) => {
  const [ends, setEnds] = useState(0)
  const path = segment(id)
  const [isOver, setOver] = useState(false)
  // What has ended changes no more.
  const version = isOver ? `over ${ends}` : `${revision.value} ${ends}`
  const found = useLoaded(
    (abort) => get<ExecutionRecord>(`/api/sandbox/executions/${path}`, abort),
    id,
    version,
    pace
  )
  const log = useLoaded(
    (abort) => get<ReadonlyArray<ExecutionEvent>>(`/api/sandbox/logs/${path}?limit=1000`, abort),
    id,
    version,
    pace
  )
  const execution = found.value
  const hasEnded = execution?.state === "ended"
  if (hasEnded !== isOver && execution !== undefined) setOver(hasEnded)
  const result = execution?.result
  return (
    <>
      <header class="title">
        <h1>
          <Text value={id} most={80} />
        </h1>
        {execution && (
          <ExecutionMark state={execution.state} {...(execution.verdict && { verdict: execution.verdict })} />
        )}
        {execution && !hasEnded && <Killing executionId={id} />}
      </header>
      <Failure message={found.failure ?? log.failure} />
      {execution && <Facts execution={execution} />}
      <div class="columns wide">
        <div>
          {result && <Verdict result={result} />}
          {execution && !hasEnded && execution.state !== "tracked" && (
            <StreamedOutput executionId={id} onEnd={() => setEnds((count) => count + 1)} />
          )}
          {result && <KeptOutput result={result} />}
          {hasEnded && !result && <p class="empty">Its result is not kept any more, or it had none.</p>}
          {result && <Artifacts result={result} />}
        </div>
        {log.value && <Timeline events={log.value} />}
      </div>
    </>
  )
}
