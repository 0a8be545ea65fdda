import { type Duration, Effect, Option, Pool, Scope } from "effect"
import * as WorkerThread from "./WorkerThread.js"

export interface ThreadPoolOptions extends WorkerThread.WorkerThreadOptions {
  /** Threads, and so questions that are answered at once. */
  readonly threads: number
  /** Threads that are there from the beginning, idle or not. Default 0. */
  readonly minThreads?: number
  /** How long a thread may be idle before it ends. */
  readonly timeToLive: Duration.DurationInput
}

/** A thread of a pool, for one user at a time. */
export interface PooledThread<Question, Answer> {
  /**
   * Asks and awaits the answer. None: there was none within this time. A thread that does not answer in time is ended,
   * and so is one that nobody waits for any more or that fails; the pool starts another.
   */
  readonly ask: (
    question: Question,
    within: Duration.DurationInput,
    handedOver?: ReadonlyArray<ArrayBuffer>
  ) => Effect.Effect<Option.Option<Answer>, WorkerThread.ThreadLost>
}

export interface ThreadPool<Question, Answer> {
  /** A thread that is one's own until the scope ends. Waits until one is free. */
  readonly get: Effect.Effect<PooledThread<Question, Answer>, WorkerThread.ThreadLost, Scope.Scope>
}

/** Threads that are started when there is something to do, and end when they are idle, and with the scope. */
export const make = Effect.fnUntraced(function* <Question, Answer>({
  minThreads = 0,
  threads,
  timeToLive,
  ...options
}: ThreadPoolOptions): Effect.fn.Return<ThreadPool<Question, Answer>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const pool = yield* Pool.makeWithTTL({
    acquire: WorkerThread.start<Question, Answer>(options),
    min: minThreads,
    max: threads,
    timeToLive
  })
  const pooled = (thread: WorkerThread.WorkerThread<Question, Answer>): PooledThread<Question, Answer> => {
    const end = Scope.extend(Pool.invalidate(pool, thread), scope)
    return {
      ask: (question, within, handedOver) =>
        Effect.timeoutOption(thread.ask(question, handedOver), within).pipe(
          Effect.onError(() => end),
          Effect.tap((answer) => Effect.when(end, () => Option.isNone(answer)))
        )
    }
  }
  return { get: Effect.map(Pool.get(pool), pooled) }
})
