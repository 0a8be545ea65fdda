import {
  anonymous,
  ExecutionId,
  type ExecutionRequest,
  type ExecutionResult,
  type Refusal,
  type UserId
} from "@bulkhead/domain"
import { Clock, Effect, Either, Exit, Fiber, Random, Ref, Scope } from "effect"
import * as Budget from "../Admission/Budget.js"
import { RequestBudget, weightOf } from "../Admission/RequestBudget.js"
import type { LimitValues } from "../Limits.js"
import { LimitsInForce } from "../LimitsInForce.js"
import { ExecutionLog } from "../Record/ExecutionLog.js"
import { Toolchain } from "../Sandboxes/Toolchain.js"
import type { AcceptedExecution } from "./AcceptedExecution.js"
import * as Execution from "./Execution.js"
import * as FilePlaces from "./FilePlaces.js"
import * as Idempotency from "./Idempotency.js"
import { LiveExecutions } from "./LiveExecutions.js"
import * as RequestFiles from "./RequestFiles.js"
import * as Requests from "./Requests.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"

/** A request that can be run, and what will run it. */
type Accepted = Omit<AcceptedExecution, "killSwitch" | "sandboxMs">

/** As many digits as a random number can fill. */
const randomDigits = 10

const makeId = Effect.zipWith(
  Clock.currentTimeMillis,
  Random.nextIntBetween(0, 36 ** randomDigits),
  (now, number) => {
    const random = number.toString(36).padStart(randomDigits, "0")
    return ExecutionId.make(`exec_${now.toString(36)}${random}`)
  }
)

/** A request that was read, and what it is held to. */
interface ReadRequest
  extends Pick<
    AcceptedExecution,
    "executionId" | "userId" | "limits" | "leaveQueue" | "held" | "releaseFiles"
  > {
  readonly request: ExecutionRequest
}

/** The way of one request: read, check, admit, run; with exactly one terminal event at its end. */
export const submit = Effect.fnUntraced(function* (input: unknown, caller: UserId | undefined) {
  const limits = yield* Ref.get(yield* LimitsInForce)
  const executionId = yield* makeId
  const request = yield* Requests.read(executionId, input, limits)
  const userId = caller ?? request.userId ?? anonymous
  const budget = yield* RequestBudget
  const live = yield* LiveExecutions
  const waits = Effect.map(live.find(executionId), (found) => found !== undefined)
  const files = yield* Scope.make()
  const releaseFiles = Scope.close(files, Exit.void)
  return yield* Effect.acquireUseRelease(
    budget.take({ executionId, userId }, weightOf(request)),
    (leaveQueue) =>
      RequestFiles.hold(executionId, userId, request, limits).pipe(
        Scope.extend(files),
        Effect.flatMap((held) =>
          accept({ executionId, userId, request, limits, leaveQueue, held, releaseFiles })
        )
      ),
    // An execution that goes on without its caller gives back itself what it holds.
    (leaveQueue) => Effect.unlessEffect(Effect.zipRight(leaveQueue, releaseFiles), waits)
  )
})

const accept = Effect.fnUntraced(function* (read: ReadRequest) {
  const { executionId, held, limits, request, userId } = read
  const facts = yield* Effect.either(findFacts(limits))
  if (Either.isLeft(facts)) return Results.ofFailure({ executionId, retries: 0 }, undefined, facts.left)
  const { runtimes, size, supervisor } = facts.right
  const runtime = yield* Requests.chooseRuntime(executionId, request.language, runtimes)
  yield* FilePlaces.check(executionId, request, runtime)

  const started = start({ ...read, runtime, size, supervisor })
  const key = request.idempotencyKey
  if (key === undefined) return yield* untilCallerLeaves(executionId, started)
  const fingerprint = Idempotency.fingerprint(request, held)
  const idempotency = yield* Idempotency.Idempotency
  const context = yield* Effect.context<Effect.Effect.Context<typeof started>>()
  return yield* idempotency.once({ executionId, userId, key, fingerprint }, Effect.provide(started, context))
})

/** What the sandboxes can run. A provider that fails for a moment is asked again. */
const findFacts = Effect.fnUntraced(function* (limits: LimitValues) {
  const { facts } = yield* Toolchain
  const deadline = (yield* Clock.currentTimeMillis) + limits.maxQueueWait * 1000
  return yield* Effect.retry(facts, {
    schedule: Retries.schedule(limits, deadline),
    while: ({ retryable }) => retryable
  })
})

/** Takes the execution into the log, and runs it in a fiber of its own, which nothing interrupts. */
const start = Effect.fnUntraced(function* (accepted: Accepted) {
  const { executionId, limits, runtime, userId } = accepted
  const live = yield* LiveExecutions
  const log = yield* ExecutionLog
  yield* log.checkWritable(executionId)
  yield* Budget.check({ executionId, userId }, limits)
  // It may have begun to close while the store was asked.
  yield* live.checkOpen(executionId)
  const { language } = runtime
  const { killSwitch, summary } = yield* live
    .register({ executionId, userId, state: "queued", language })
    .pipe(Effect.catchTag("ExecutionExists", Effect.die))
  yield* log.began(summary)
  const sandboxMs = yield* Ref.make(0)
  return yield* Effect.forkDaemon(Effect.interruptible(Execution.run({ ...accepted, killSwitch, sandboxMs })))
}, Effect.uninterruptible)

/** A caller who goes away kills the execution, but does not lose what came of it. */
const untilCallerLeaves = <R>(
  executionId: ExecutionId,
  started: Effect.Effect<Fiber.RuntimeFiber<ExecutionResult, Refusal>, Refusal, R>
) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const live = yield* LiveExecutions
      const fiber = yield* started
      return yield* Effect.onInterrupt(restore(Fiber.join(fiber)), () =>
        Effect.zipRight(
          live.kill(executionId, { reason: "the caller went away", graceful: false }),
          Fiber.await(fiber)
        )
      )
    })
  )
