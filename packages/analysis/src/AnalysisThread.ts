import { Worker } from "node:worker_threads"
import { Data, Effect, Predicate, type Scope } from "effect"
import type { Found } from "./Analysis.js"
import type { Rule } from "./Rule.js"
import type { Analysed } from "./Syntax/Facts.js"

/** What a thread is started with. */
export interface ThreadData {
  /** Beside those that come with the package. */
  readonly rules: ReadonlyArray<Rule>
}

export interface Question {
  readonly code: string
  readonly language: Analysed
}

export type Answer =
  /** Its program has been loaded. */
  | { readonly _tag: "Ready" }
  | ({ readonly _tag: "Found" } & Found)
  /** The code is beyond what can be analysed. */
  | { readonly _tag: "Beyond" }

/** The thread has ended. */
export class ThreadEnded extends Data.TaggedError("ThreadEnded")<{ readonly cause: unknown }> {
  /** Whether it ended since it had no memory left. */
  get wasTooLarge() {
    return Predicate.hasProperty(this.cause, "code") && this.cause.code === "ERR_WORKER_OUT_OF_MEMORY"
  }
}

/** A thread that analyses programs, one after the other. */
export interface AnalysisThread {
  /** Call it for one at a time. */
  readonly ask: (question: Question) => Effect.Effect<Answer, ThreadEnded>
}

/** The thread's program: beside this module, and beside a bundle too. */
export const defaultProgram = new URL("./AnalysisWorker.js", import.meta.url)

const nextAnswer = (worker: Worker) =>
  Effect.async<Answer, ThreadEnded>((resume) => {
    const leave = () => worker.off("message", hear).off("error", fail).off("exit", fail)
    const hear = (answer: Answer) => {
      leave()
      resume(Effect.succeed(answer))
    }
    const fail = (cause: unknown) => {
      leave()
      resume(new ThreadEnded({ cause }))
    }
    worker.on("message", hear).on("error", fail).on("exit", fail)
    return Effect.sync(leave)
  })

/** An error that nobody listens for would end the process. */
const ignore = () => {}

/** A thread for as long as the scope, which ends it at once, whatever it is busy with. */
export const start = Effect.fnUntraced(function* (
  program: URL,
  workerData: ThreadData,
  memoryMB: number
): Effect.fn.Return<AnalysisThread, ThreadEnded, Scope.Scope> {
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new Worker(program, {
        env: {},
        workerData,
        resourceLimits: { maxOldGenerationSizeMb: memoryMB, maxYoungGenerationSizeMb: 32 }
      }).on("error", ignore)
    ),
    (worker) => Effect.promise(() => worker.terminate())
  )
  yield* nextAnswer(worker)
  return {
    ask: (question) =>
      Effect.zipRight(
        Effect.sync(() => worker.postMessage(question)),
        nextAnswer(worker)
      )
  }
})
