import {
  type EventName,
  type ExecutionEvent,
  ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  type Usage,
  UserId,
  type Verdict,
  type Webhook,
  type WebhookEvent
} from "@bulkhead/domain"
import { type Announcement, type Entry, ExecutionStore } from "@bulkhead/sandbox"
import { Effect } from "effect"

/** The id of the execution of that name. */
export const id = (name: string) => ExecutionId.make(`exec_${name}`)
/** The user of that name. */
export const user = (name: string) => UserId.make(name)

/** A running Python program of ann's that began at 1000, unless told. */
export const summary = (name: string, rest: Partial<ExecutionSummary> = {}): ExecutionSummary => ({
  executionId: id(name),
  userId: user("ann"),
  state: "running",
  language: "python",
  startedAt: 1000,
  ...rest
})

/** The entry that it began. */
export const began = (name: string, rest: Partial<ExecutionSummary> = {}): Entry => ({
  _tag: "Began",
  execution: summary(name, rest)
})

/** An event of that execution, with a text that is awkward to keep. */
export const eventOf = (name: string, event: EventName): ExecutionEvent => ({
  timestamp: 1001,
  executionId: id(name),
  userId: user("ann"),
  level: "info",
  event,
  message: `It's "${name}" \u0000 \ud800 ✓`
})

/** The entry that something happened to it. */
export const happened = (
  name: string,
  event: EventName = "execution_started",
  data?: Readonly<Record<string, unknown>>
): Entry => ({ _tag: "Happened", event: { ...eventOf(name, event), ...(data ? { data } : {}) } })

/** A result of that execution, with an artifact and texts that are awkward to keep. */
export const result = (name: string, rest: Partial<ExecutionResult> = {}): ExecutionResult => ({
  executionId: id(name),
  success: true,
  verdict: "Completed",
  stdout: "Hello\u0000, 'World' ✓\n",
  stderr: "",
  exitCode: 0,
  metrics: { executionTimeMs: 3.25, retries: 0 },
  output: { stdoutBytes: 20, stderrBytes: 0, truncated: false },
  artifacts: [{ name: "out.csv", size: 3, sha256: "ab", mediaType: "text/csv" }],
  rejectedArtifacts: [],
  receipt: {
    signals: [{ signal: "SIGTERM", atMs: 1 }],
    survivors: 0,
    sandboxDestroyed: true,
    enforcement: { memory: "none" }
  },
  ...rest
})

/** What so many milliseconds in a sandbox use. */
export const usageOf = (sandboxMs: number): Usage => ({
  sandboxMs,
  vcpuSeconds: sandboxMs / 500,
  gibSeconds: sandboxMs / 2000,
  gpuSeconds: sandboxMs / 1000,
  artifactBytes: 3,
  costUsd: sandboxMs / 1_000_000
})

/** The same with a network that somebody counts. */
export const networkUsageOf = (sandboxMs: number): Usage => ({
  ...usageOf(sandboxMs),
  ...{ networkConnections: 2, networkDenied: 1, sentBytes: 10, receivedBytes: 1_000_000_000_000 }
})

/** The entry that it ended, at 2000 unless told. */
export const ended = (
  name: string,
  rest: { endedAt?: number; verdict?: Verdict; result?: ExecutionResult; usage?: Usage } = {}
): Entry => ({ _tag: "Ended", end: { executionId: id(name), endedAt: 2000, verdict: "Completed", ...rest } })

/** The entry that webhooks may be told of an event of that execution, at 2000 unless told. */
export const announced = (
  name: string,
  event: WebhookEvent = "execution.completed",
  rest: Partial<Announcement.Announcement> = {}
): Entry => ({ _tag: "Announced", announcement: { executionId: id(name), event, at: 2000, ...rest } })

/** The webhook at a path of one receiver, which is told of ends unless told. */
export const webhook = (
  path: string,
  events: ReadonlyArray<WebhookEvent> = ["execution.completed"]
): Webhook => ({ url: `https://example.com/${path}`, events })

/** The entry that an execution began whose webhook this is. */
export const beganWith = (name: string, told: Webhook, rest: Partial<ExecutionSummary> = {}): Entry => ({
  _tag: "Began",
  execution: summary(name, rest),
  webhook: told
})

/** Appends, and waits until it is written. */
export const put = Effect.fnUntraced(function* (...entries: ReadonlyArray<Entry>) {
  const store = yield* ExecutionStore
  yield* store.append(entries)
  yield* store.commit
})
