import {
  type EventName,
  type ExecutionEvent,
  ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  type Usage,
  UserId,
  type Verdict
} from "@bulkhead/domain"
import { type Entry, ExecutionStore } from "@bulkhead/sandbox"
import { Effect } from "effect"

export const id = (name: string) => ExecutionId.make(`exec_${name}`)
export const user = (name: string) => UserId.make(name)

export const summary = (name: string, rest: Partial<ExecutionSummary> = {}): ExecutionSummary => ({
  executionId: id(name),
  userId: user("ann"),
  state: "running",
  language: "python",
  startedAt: 1000,
  ...rest
})

export const began = (name: string, rest: Partial<ExecutionSummary> = {}): Entry => ({
  _tag: "Began",
  execution: summary(name, rest)
})

export const eventOf = (name: string, event: EventName): ExecutionEvent => ({
  timestamp: 1001,
  executionId: id(name),
  userId: user("ann"),
  level: "info",
  event,
  message: `It's "${name}" \u0000 \ud800 ✓`
})

export const happened = (
  name: string,
  event: EventName = "execution_started",
  data?: Readonly<Record<string, unknown>>
): Entry => ({ _tag: "Happened", event: { ...eventOf(name, event), ...(data ? { data } : {}) } })

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
    sandboxDestroyed: true,
    enforcement: { memory: "none" }
  },
  ...rest
})

export const usageOf = (sandboxMs: number): Usage => ({
  sandboxMs,
  vcpuSeconds: sandboxMs / 500,
  gibSeconds: sandboxMs / 2000,
  artifactBytes: 3,
  costUsd: sandboxMs / 1_000_000
})

export const ended = (
  name: string,
  rest: { endedAt?: number; verdict?: Verdict; result?: ExecutionResult; usage?: Usage } = {}
): Entry => ({ _tag: "Ended", end: { executionId: id(name), endedAt: 2000, verdict: "Completed", ...rest } })

/** Appends, and waits until it is written. */
export const put = Effect.fnUntraced(function* (...entries: ReadonlyArray<Entry>) {
  const store = yield* ExecutionStore
  yield* store.append(entries)
  yield* store.commit
})
