import { hash } from "node:crypto"
import type {
  ExecutionId,
  ExecutionResult,
  ExecutionSummary,
  Verdict,
  WebhookEvent,
  WebhookMessage
} from "@bulkhead/domain"

/** That something happened of which webhooks may be told: those of the execution, and its user's standing ones. */
export interface Announcement {
  readonly executionId: ExecutionId
  readonly event: WebhookEvent
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Of an execution that has ended. */
  readonly verdict?: Verdict
  readonly result?: ExecutionResult
}

/** What of an execution does not change. */
export type Announced = Pick<
  ExecutionSummary,
  "executionId" | "userId" | "state" | "language" | "image" | "traceId" | "startedAt"
>

/** Characters of each stream, and entries of each list, that a message has at most. */
const mostText = 4096
const mostEntries = 20

const beginning = (text: string) => text.slice(0, mostText).toWellFormed()

/** The result without what is large, and what that was. */
const cutResult = (result: ExecutionResult) => {
  const { artifacts, rejectedArtifacts, stderr, stdout } = result
  const cut = [
    ...(stdout.length > mostText ? ["stdout"] : []),
    ...(stderr.length > mostText ? ["stderr"] : []),
    ...(artifacts.length > mostEntries ? ["artifacts"] : []),
    ...(rejectedArtifacts.length > mostEntries ? ["rejectedArtifacts"] : [])
  ]
  const rest = {
    ...result,
    stdout: beginning(stdout),
    stderr: beginning(stderr),
    artifacts: artifacts.slice(0, mostEntries),
    rejectedArtifacts: rejectedArtifacts.slice(0, mostEntries)
  }
  return { result: rest, cut }
}

const stateAfter = {
  "execution.queued": "queued",
  "execution.started": "starting",
  "execution.completed": "ended"
} as const satisfies Record<WebhookEvent, ExecutionSummary["state"]>

const summaryOf = (
  { executionId, image, language, startedAt, state, traceId, userId }: Announced,
  { at, event, verdict }: Announcement
): ExecutionSummary => {
  const isEnd = event === "execution.completed"
  return {
    executionId,
    userId,
    state: state === "tracked" && !isEnd ? state : stateAfter[event],
    ...(language === undefined ? {} : { language }),
    ...(image === undefined ? {} : { image }),
    ...(traceId === undefined ? {} : { traceId }),
    startedAt,
    ...(isEnd ? { endedAt: at } : {}),
    ...(verdict === undefined ? {} : { verdict })
  }
}

/** The body of the message, as it is signed and sent. */
export const bodyOf = (execution: Announced, announcement: Announcement): string => {
  const { at, event, result } = announcement
  const message: WebhookMessage = {
    type: event,
    timestamp: new Date(at).toISOString(),
    data: {
      execution: summaryOf(execution, announcement),
      ...(result === undefined ? { cut: [] } : cutResult(result))
    }
  }
  return JSON.stringify(message)
}

/** The message's id: the same however often it is announced, and in every copy that is sent. */
export const messageIdOf = ({ event, executionId }: Announcement, url: string): string =>
  `msg_${hash("sha256", `${executionId} ${event} ${url}`).slice(0, 32)}`
