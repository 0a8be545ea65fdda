import { Worker } from "node:worker_threads"
import { Data, Effect, type Scope } from "effect"
import type { ArtifactRules } from "../ArtifactKinds.js"
import type { Inspected } from "./FileInspection.js"

export type Request =
  /** Answered when the thread's program has been loaded. */
  | { readonly _tag: "Hello" }
  | { readonly _tag: "Begin"; readonly rules: ArtifactRules }
  | { readonly _tag: "Push"; readonly bytes: Uint8Array }
  | { readonly _tag: "End" }

/** `GoOn`: nothing is wrong so far. */
export type Reply = { readonly _tag: "GoOn" } | Inspected

/** What a thread sends, and how long it was busy with it. */
export interface Answer {
  readonly reply: Reply
  readonly busyMs: number
}

/** A thread has ended, and will not answer any more. */
export class ThreadLost extends Data.TaggedError("ThreadLost")<{
  readonly reason: "OutOfMemory" | "Failed"
  readonly cause: unknown
}> {}

/** A thread that inspects files, one after the other. */
export interface WorkerThread {
  /** Sends a request and awaits its answer. Call it for one at a time; bytes that are sent are gone from here. */
  readonly ask: (request: Request) => Effect.Effect<Answer, ThreadLost>
}

/** The thread's program: beside this module, and beside a bundle too. */
export const defaultProgram = new URL("./InspectionWorker.js", import.meta.url)

const lossOf = (error: unknown) => {
  const { code } = error as { readonly code?: unknown }
  return new ThreadLost({
    reason: code === "ERR_WORKER_OUT_OF_MEMORY" ? "OutOfMemory" : "Failed",
    cause: error
  })
}

const ignore = () => {}

/** Node's number of a thread that is no more. */
const ended = -1

const askIn = (worker: Worker) => (request: Request) =>
  Effect.async<Answer, ThreadLost>((resume) => {
    const settle = (effect: Effect.Effect<Answer, ThreadLost>) => {
      leave()
      resume(effect)
    }
    const hear = (answer: Answer) => settle(Effect.succeed(answer))
    const lose = (cause: unknown) => settle(lossOf(cause))
    const exit = (code: number) => lose(new Error(`The thread exited with code ${code}`))
    const leave = () => void worker.off("message", hear).off("error", lose).off("exit", exit)
    if (worker.threadId === ended) return lose(new Error("The thread has ended"))
    worker.on("message", hear).on("error", lose).on("exit", exit)
    worker.postMessage(request, request._tag === "Push" ? [request.bytes.buffer as ArrayBuffer] : [])
    return Effect.sync(leave)
  })

/**
 * A thread of its own for as long as the scope. It ends at once, whatever it is busy with, which is why it is not one of
 * `@effect/platform`: those are given five seconds to leave.
 */
export const start = Effect.fnUntraced(function* (
  program: URL,
  memoryMB: number
): Effect.fn.Return<WorkerThread, ThreadLost, Scope.Scope> {
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const resourceLimits = { maxOldGenerationSizeMb: memoryMB, maxYoungGenerationSizeMb: 16 }
      // An error that nobody listens for would end the process.
      // seek-bzip makes its buffers in an old way, which Node would tell the operator of.
      const execArgv = ["--no-deprecation"]
      return new Worker(program, { env: {}, execArgv, resourceLimits }).on("error", ignore)
    }),
    (worker) => Effect.promise(() => worker.terminate())
  )
  const ask = askIn(worker)
  yield* ask({ _tag: "Hello" })
  return { ask }
})
