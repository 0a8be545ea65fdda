import type { ExecutionSummary } from "@bulkhead/domain"
import { tick } from "../api/Live.js"
import { to } from "../Routes.js"
import { duration, iso, moment } from "../text/Format.js"
import { ExecutionMark } from "./Marks.js"
import { Empty } from "./Notice.js"
import { Scroll } from "./Scroll.js"
import { Text } from "./Text.js"

interface TableProps {
  readonly executions: ReadonlyArray<ExecutionSummary>
  readonly name: string
}

const Row = ({ execution, now }: { readonly execution: ExecutionSummary; readonly now: number }) => {
  const { ahead, endedAt, executionId, image, language, startedAt, state, userId, verdict } = execution
  return (
    <tr>
      <td>
        <a href={to("executions", executionId)}>
          <code>{executionId}</code>
        </a>
      </td>
      <td>
        <a href={to("executions", undefined, { userId })}>
          <Text value={userId} most={40} />
        </a>
      </td>
      <td>
        <ExecutionMark state={state} {...(verdict && { verdict })} />
        {ahead !== undefined && <span class="quiet"> {ahead} ahead</span>}
      </td>
      <td>
        <Text value={[language, image].filter(Boolean).join(" on ")} most={40} />
      </td>
      <td>
        <time dateTime={iso(startedAt)}>{moment(startedAt, now)}</time>
      </td>
      <td class="number">{duration(Math.max(0, (endedAt ?? now) - startedAt))}</td>
    </tr>
  )
}

/** A page of executions. */
export const ExecutionTable = ({ executions, name }: TableProps) => {
  const now = tick.value?.at ?? Math.max(0, ...executions.map(({ startedAt }) => startedAt))
  if (executions.length === 0) return <Empty>There are none.</Empty>
  return (
    <Scroll name={name}>
      <table>
        <thead>
          <tr>
            <th scope="col">Execution</th>
            <th scope="col">User</th>
            <th scope="col">How far</th>
            <th scope="col">Language</th>
            <th scope="col">Began</th>
            <th scope="col" class="number">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {executions.map((execution) => (
            <Row key={execution.executionId} execution={execution} now={now} />
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}
