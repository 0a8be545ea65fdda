import {
  type ExecutionEvent,
  ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  type UserId,
  type Verdict
} from "@bulkhead/domain"
import { type Entry, ExecutionStore } from "@bulkhead/sandbox"
import { SqlExecutionStore, SqliteStore } from "@bulkhead/store"
import { NodeContext } from "@effect/platform-node"
import { Array as Arr, Effect, Layer } from "effect"

/** The name of the server whose record is made. */
export const instance = "seeded"

const verdicts: ReadonlyArray<Verdict> = [
  ...Arr.replicate("Completed" as const, 6),
  "NonZeroExit",
  "TimeLimitExceeded",
  "MemoryLimitExceeded",
  "Killed"
]

export interface Seeded {
  readonly index: number
  readonly at: number
  readonly userId: string
  readonly language: string
  readonly image?: string
  readonly traceId?: string
  readonly message: string
  readonly result: Partial<ExecutionResult>
}

export const idOf = (index: number) => ExecutionId.make(`exec_seed${String(index).padStart(8, "0")}`)

const resultOf = (index: number, verdict: Verdict, changes: Partial<ExecutionResult>): ExecutionResult => ({
  executionId: idOf(index),
  success: verdict === "Completed",
  verdict,
  stdout: `line of ${index}\n`,
  stderr: "",
  metrics: {
    executionTimeMs: 40 + (index % 900),
    queueTimeMs: 2,
    startupTimeMs: 9,
    cpuTimeMs: 30,
    peakMemoryMB: 11.5,
    retries: 0
  },
  output: { stdoutBytes: 12, stderrBytes: 0, truncated: false },
  artifacts: [],
  rejectedArtifacts: [],
  receipt: {
    signals: verdict === "Killed" ? [{ signal: "SIGTERM", atMs: 1200 }] : [],
    leftRunning: 0,
    deadAtMs: 45,
    survivors: 0,
    sandboxDestroyed: true,
    enforcement: { memory: "cgroup", cpu: "cgroup", supervisor: "no known way to it" }
  },
  ...changes
})

/** What the store has of an execution that ended. Nothing is checked: a record may hold anything. */
const entriesOf = ({
  at,
  image,
  index,
  language,
  message,
  result: changes,
  traceId,
  userId
}: Seeded): ReadonlyArray<Entry> => {
  const executionId = idOf(index)
  const verdict = changes.verdict ?? verdicts[index % verdicts.length] ?? "Completed"
  const result = resultOf(index, verdict, changes)
  const own = { executionId, userId: userId as UserId }
  const execution: ExecutionSummary = {
    ...own,
    state: "queued",
    language,
    startedAt: at,
    ...(image && { image }),
    ...(traceId && { traceId })
  }
  const event = (
    after: number,
    event: ExecutionEvent["event"],
    message: string,
    data?: ExecutionEvent["data"]
  ): Entry => ({
    _tag: "Happened",
    event: {
      ...own,
      timestamp: at + after,
      level: verdict === "Completed" ? "info" : "warn",
      event,
      message,
      ...(data && { data })
    }
  })
  const endedAt = at + 60 + (index % 900)
  return [
    { _tag: "Began", execution },
    event(0, "execution_queued", "Execution queued"),
    event(60, verdict === "Completed" ? "execution_completed" : "execution_failed", message, {
      verdict,
      message
    }),
    {
      _tag: "Ended",
      end: {
        executionId,
        endedAt,
        verdict,
        result,
        usage: {
          sandboxMs: 100 + (index % 900),
          vcpuSeconds: 0.2,
          gibSeconds: 0.1,
          gpuSeconds: 0,
          artifactBytes: 0,
          costUsd: (index % 40) / 10_000
        }
      }
    }
  ]
}

const append = (all: ReadonlyArray<Seeded>) =>
  Effect.flatMap(ExecutionStore, (store) =>
    Effect.forEach(
      Arr.chunksOf(all, 500),
      (some) => Effect.zipRight(store.append(some.flatMap(entriesOf)), store.commit),
      { discard: true }
    )
  )

/** Executions that have ended, the latest a second ago, put into the record of a server that is not started yet. */
export const plain = (count: number, now: number): ReadonlyArray<Seeded> =>
  Arr.makeBy(count, (index) => ({
    index,
    at: now - (count - index) * 1500,
    userId: `user-${index % 120}`,
    language: index % 3 === 0 ? "javascript" : "python",
    message: "Execution ended",
    result: {}
  }))

export const into = (directory: string, all: ReadonlyArray<Seeded>) =>
  append(all).pipe(
    Effect.provide(
      SqlExecutionStore.layer({ instance }).pipe(
        Layer.provide(SqliteStore.layer({ directory })),
        Layer.provide(NodeContext.layer)
      )
    ),
    Effect.orDie
  )
