import { Worker } from "node:worker_threads"
import { Data, Effect, Predicate, type Scope } from "effect"

/** A thread has ended, and will not answer any more. */
export class ThreadLost extends Data.TaggedError("ThreadLost")<{
  readonly reason: "OutOfMemory" | "Failed"
  readonly cause: unknown
}> {}

export interface WorkerThreadOptions {
  /** The thread's program. It sends one message when it is ready, and then one for each question. */
  readonly program: URL
  /** MB of the thread's heap for what is kept. */
  readonly memoryMB: number
  /** MB of its heap for what is new. Default 16. */
  readonly youngMemoryMB?: number
  /** What the program finds in `workerData`. Default nothing. */
  readonly workerData?: unknown
  /** Options of Node for the thread, like `--no-deprecation`. Default none. */
  readonly execArgv?: ReadonlyArray<string>
}

/** A thread that answers questions, one after the other. */
export interface WorkerThread<Question, Answer> {
  /** Asks and awaits the answer. Call it for one at a time; buffers that are handed over are gone from here. */
  readonly ask: (
    question: Question,
    handedOver?: ReadonlyArray<ArrayBuffer>
  ) => Effect.Effect<Answer, ThreadLost>
}

const lossOf = (cause: unknown) =>
  new ThreadLost({
    reason:
      Predicate.hasProperty(cause, "code") && cause.code === "ERR_WORKER_OUT_OF_MEMORY"
        ? "OutOfMemory"
        : "Failed",
    cause
  })

const ignore = () => {}

/** Node's number of a thread that is no more. */
const ended = -1

/** The thread's next message, listened for before `send` is called. */
const nextMessage = <Message>(worker: Worker, send: () => void = ignore) =>
  Effect.async<Message, ThreadLost>((resume) => {
    const settle = (effect: Effect.Effect<Message, ThreadLost>) => {
      leave()
      resume(effect)
    }
    const hear = (message: Message) => settle(Effect.succeed(message))
    const lose = (cause: unknown) => settle(lossOf(cause))
    const exit = (code: number) => lose(new Error(`The thread exited with code ${code}`))
    const leave = () => void worker.off("message", hear).off("error", lose).off("exit", exit)
    if (worker.threadId === ended) return lose(new Error("The thread has ended"))
    worker.on("message", hear).on("error", lose).on("exit", exit)
    send()
    return Effect.sync(leave)
  })

const startWorker = ({
  execArgv = [],
  memoryMB,
  program,
  workerData,
  youngMemoryMB = 16
}: WorkerThreadOptions) =>
  new Worker(program, {
    env: {},
    execArgv: [...execArgv],
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: memoryMB, maxYoungGenerationSizeMb: youngMemoryMB }
  })

/**
 * A thread for as long as the scope. It ends at once, whatever it is busy with, which is why it is not one of
 * `@effect/platform`: those are given five seconds to leave.
 */
export const start = Effect.fnUntraced(function* <Question, Answer>(
  options: WorkerThreadOptions
): Effect.fn.Return<WorkerThread<Question, Answer>, ThreadLost, Scope.Scope> {
  const worker = yield* Effect.acquireRelease(
    // An error that nobody listens for would end the process.
    Effect.sync(() => startWorker(options).on("error", ignore)),
    (worker) => Effect.promise(() => worker.terminate())
  )
  yield* nextMessage(worker)
  return {
    ask: (question, handedOver = []) =>
      nextMessage<Answer>(worker, () => worker.postMessage(question, handedOver))
  }
})
