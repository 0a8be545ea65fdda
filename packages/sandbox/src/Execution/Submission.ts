import {
  anonymous,
  ExecutionId,
  type ExecutionRequest,
  type ExecutionResult,
  type ImageName,
  type NetworkUse,
  type Refusal,
  type UserId
} from "@bulkhead/domain"
import { Clock, type Context, Effect, Exit, Fiber, Random, Ref, Scope } from "effect"
import { Admission } from "../Admission/Admission.js"
import * as Budget from "../Admission/Budget.js"
import { RequestBudget, weightOf } from "../Admission/RequestBudget.js"
import * as ExecutionInstruments from "../Instruments/ExecutionInstruments.js"
import type { LimitValues } from "../Limits.js"
import { LimitsInForce } from "../LimitsInForce.js"
import { ExecutionLog, unavailable } from "../Record/ExecutionLog.js"
import * as TerminalEvents from "../Record/TerminalEvents.js"
import { Images } from "../Sandboxes/Images.js"
import type { SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import { SandboxSupply } from "../Sandboxes/SandboxSupply.js"
import { Toolchain } from "../Sandboxes/Toolchain.js"
import * as SteadyClock from "../SteadyClock.js"
import { ExecutionUpdates, type LiveUpdates } from "../Updates/ExecutionUpdates.js"
import { Webhooks } from "../Webhooks/Webhooks.js"
import type { AcceptedExecution } from "./AcceptedExecution.js"
import * as Execution from "./Execution.js"
import * as FilePlaces from "./FilePlaces.js"
import * as Idempotency from "./Idempotency.js"
import { LiveExecutions } from "./LiveExecutions.js"
import * as RecordedTrace from "./RecordedTrace.js"
import * as RequestFiles from "./RequestFiles.js"
import * as Requests from "./Requests.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"
import * as Secrets from "./Secrets.js"

/** A request that can be run, and what will run it. */
type Accepted = Omit<AcceptedExecution, "killSwitch" | "updates" | "sandboxMs" | "networkUse">

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
    | "executionId"
    | "userId"
    | "limits"
    | "leaveQueue"
    | "held"
    | "releaseFiles"
    | "network"
    | "secrets"
    | "traceId"
    | "isKeptFirst"
  > {
  readonly request: ExecutionRequest
}

/** What every result and every summary says of its request. */
const shownOf = ({ request: { image }, traceId }: ReadRequest) => ({
  ...(image !== undefined && { image }),
  ...(traceId !== undefined && { traceId })
})

/** What every result says of its request. */
const circumstancesOf = (read: ReadRequest) => ({
  executionId: read.executionId,
  ...shownOf(read),
  ...(read.network && { network: read.network })
})

/** An execution that is there, of this request or of an earlier one with its key. */
export interface Begun {
  readonly executionId: ExecutionId
  /** Whether it is of this request. */
  readonly isNew: boolean
  /** Its updates. Absent: it has ended, or runs on another server. */
  readonly updates?: LiveUpdates
  /** What ends with its reader. Absent: it goes on without one. */
  readonly leave?: Effect.Effect<void>
}

/** Reads a request and holds its bytes until it is accepted. */
const received = Effect.fnUntraced(function* <A, E, R>(
  input: unknown,
  caller: UserId | undefined,
  isSubmitted: boolean,
  accept: (read: ReadRequest) => Effect.Effect<A, E, R>
) {
  const limits = yield* Ref.get(yield* LimitsInForce)
  const executionId = yield* makeId
  const request = yield* Requests.read(executionId, input, limits)
  yield* Requests.checkWebhook(executionId, request, yield* Webhooks)
  const userId = caller ?? request.userId ?? anonymous
  const supply = yield* SandboxSupply
  const secrets = yield* Secrets.holdAll({ executionId, userId, request })
  const asked = Secrets.networkFor(request.network, secrets)
  const policy = yield* supply.network.of({ executionId, userId, network: asked })
  yield* Secrets.check(executionId, secrets, policy, supply.secrets)
  const allowed = { ...(policy && { network: policy }), ...(secrets && { secrets }) }
  const isKeptFirst = isSubmitted || request.idempotencyKey !== undefined
  const trace = yield* RecordedTrace.current
  const asRead = { executionId, userId, request, limits, isKeptFirst, ...allowed, ...trace }
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
        Effect.flatMap((held) => accept({ ...asRead, leaveQueue, held, releaseFiles }))
      ),
    // An execution that goes on without its caller gives back itself what it holds.
    (leaveQueue) => Effect.unlessEffect(Effect.zipRight(leaveQueue, releaseFiles), waits)
  )
})

/** The way of one request: read, check, admit, run; with exactly one terminal event at its end. */
export const submit = (input: unknown, caller: UserId | undefined) =>
  received(input, caller, false, (read) =>
    prepare(read).pipe(
      Effect.flatMap((accepted) =>
        accepted.request.idempotencyKey === undefined
          ? untilCallerLeaves(accepted)
          : Effect.flatMap(once(accepted, accepted.request.idempotencyKey), ({ result }) => result)
      ),
      Effect.catchTag("SandboxFailure", (failure) =>
        Effect.succeed(Results.ofFailure({ ...circumstancesOf(read), retries: 0 }, undefined, failure))
      )
    )
  ).pipe(Effect.tapError(ExecutionInstruments.turnedAway))

/**
 * The same as far as the execution's first update. It goes on without its caller. Nothing of what is submitted runs
 * before it is recorded.
 */
export const begin = (input: unknown, caller: UserId | undefined, isSubmitted: boolean) =>
  received(input, caller, isSubmitted, (read) =>
    prepare(read).pipe(
      Effect.flatMap(beginAccepted),
      Effect.catchTag("SandboxFailure", (failure) => failAtOnce(read, failure))
    )
  ).pipe(Effect.tapError(ExecutionInstruments.turnedAway))

/** Who goes away before its execution has begun does not know its name. */
const beginAccepted = (accepted: Accepted) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const key = accepted.request.idempotencyKey
      const begun = yield* key === undefined ? beginOwn(accepted) : beginOnce(accepted, key)
      yield* Effect.onInterrupt(
        restore(begun.updates?.begun ?? Effect.void),
        () => begun.leave ?? Effect.void
      )
      return begun
    })
  )

const beginOwn = Effect.fnUntraced(function* (accepted: Accepted) {
  const { fiber, updates } = yield* start(accepted)
  const live = yield* LiveExecutions
  const { executionId } = accepted
  const begun: Begun = { executionId, isNew: true, updates, leave: abandon(live, executionId, fiber) }
  return begun
})

const beginOnce = Effect.fnUntraced(function* (accepted: Accepted, key: string) {
  const { executionId } = yield* once(accepted, key)
  const updates = yield* (yield* ExecutionUpdates).find(executionId)
  const isNew = executionId === accepted.executionId
  const begun: Begun = { executionId, isNew, ...(updates && { updates }) }
  return begun
})

/** Takes an execution into the log that has ended before it could begin. */
const failAtOnce = Effect.fnUntraced(function* (read: ReadRequest, failure: SandboxFailure) {
  const { executionId, userId } = read
  const log = yield* ExecutionLog
  const circumstances = { ...circumstancesOf(read), retries: 0 }
  const result = Results.ofFailure(circumstances, undefined, failure)
  const startedAt = yield* Clock.currentTimeMillis
  yield* log.began({ executionId, userId, state: "queued", startedAt, ...shownOf(read) })
  yield* Effect.mapError(log.ended({ executionId, userId }, TerminalEvents.ofResult(result)), () =>
    unavailable(executionId)
  )
  const begun: Begun = { executionId, isNew: true }
  return begun
})

/** Finds out what will run a request. */
const prepare = Effect.fnUntraced(function* (read: ReadRequest) {
  const { executionId, limits, request } = read
  const present = (yield* Admission).gpus
  const gpus = yield* Requests.chooseGpus(executionId, request, limits, present)
  const images = yield* Images
  yield* Requests.checkImage(executionId, request, images)
  const template = request.image === undefined ? undefined : images.get(request.image)
  const { runtimes, ...facts } = yield* findFacts(limits, request.image)
  const runtime = yield* Requests.chooseRuntime(executionId, request.language, runtimes)
  yield* FilePlaces.check(executionId, request, runtime)
  const accepted: Accepted = {
    ...{ ...read, ...facts, runtime },
    ...(template !== undefined && { template }),
    ...(gpus !== undefined && { gpus })
  }
  return accepted
})

/** Begins what the key stands for, unless that is there. */
const once = Effect.fnUntraced(function* (accepted: Accepted, key: string) {
  const { executionId, held, request, userId } = accepted
  const idempotency = yield* Idempotency.Idempotency
  const fingerprint = Idempotency.fingerprint(request, held, idempotency.secretsKey)
  const started = Effect.map(start(accepted), ({ fiber }) => fiber)
  const context = yield* Effect.context<Effect.Effect.Context<typeof started>>()
  return yield* idempotency.once({ executionId, userId, key, fingerprint }, Effect.provide(started, context))
})

/** What the sandboxes can run. A provider that fails for a moment is asked again. */
const findFacts = Effect.fnUntraced(function* (limits: LimitValues, image: ImageName | undefined) {
  const { facts, factsOf } = yield* Toolchain
  const deadline = (yield* SteadyClock.now) + limits.maxQueueWait * 1000
  return yield* Effect.retry(image === undefined ? facts : factsOf(image), {
    schedule: Retries.schedule(limits, deadline),
    while: ({ retryable }) => retryable
  })
})

/** Takes the execution into the log, and runs it in a fiber of its own, which nothing interrupts. */
const start = Effect.fnUntraced(function* (accepted: Accepted) {
  const { executionId, limits, request, runtime, userId } = accepted
  const live = yield* LiveExecutions
  const log = yield* ExecutionLog
  yield* log.checkWritable(executionId)
  yield* Budget.check({ executionId, userId }, limits)
  // It may have begun to close while the store was asked.
  yield* live.checkOpen(executionId)
  const { language } = runtime
  const { killSwitch, summary } = yield* live
    .register({ executionId, userId, state: "queued", language, ...shownOf(accepted) })
    .pipe(Effect.catchTag("ExecutionExists", Effect.die))
  yield* log.began(summary, request.webhook)
  const sandboxMs = yield* Ref.make(0)
  const networkUse = yield* Ref.make<NetworkUse | undefined>(undefined)
  const updates = yield* (yield* ExecutionUpdates).open(executionId, userId)
  const fiber = yield* Execution.run({ ...accepted, killSwitch, updates, sandboxMs, networkUse }).pipe(
    // Nobody reads on for ever, whatever mistake it was.
    Effect.tapDefect(() => updates.end({ type: "ended" }, Effect.void)),
    Effect.interruptible,
    Effect.forkDaemon
  )
  return { fiber, updates }
}, Effect.uninterruptible)

/** Kills what nobody waits for any more, and returns when it has ended. */
const abandon = (
  live: Context.Tag.Service<LiveExecutions>,
  executionId: ExecutionId,
  fiber: Fiber.Fiber<ExecutionResult, Refusal>
) =>
  Effect.zipRight(
    live.kill(executionId, { reason: "the caller went away", graceful: false }),
    Effect.asVoid(Fiber.await(fiber))
  )

/** A caller who goes away kills the execution, but does not lose what came of it. */
const untilCallerLeaves = (accepted: Accepted) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const live = yield* LiveExecutions
      const { fiber } = yield* start(accepted)
      return yield* Effect.onInterrupt(restore(Fiber.join(fiber)), () =>
        abandon(live, accepted.executionId, fiber)
      )
    })
  )
