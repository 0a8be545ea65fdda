import { hash, randomBytes } from "node:crypto"
import {
  type ExecutionId,
  type ExecutionRequest,
  type ExecutionResult,
  IdempotencyConflict,
  RecordUnavailable,
  type Refusal
} from "@bulkhead/domain"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Queue, Schedule } from "effect"
import { ExecutionStore, type StoreFailure } from "../Record/ExecutionStore.js"
import { type Claim, IdempotencyKeys } from "../Record/IdempotencyKeys.js"
import * as RequestFiles from "./RequestFiles.js"
import * as Secrets from "./Secrets.js"

/** The execution that a key stands for. */
export interface Holder {
  readonly executionId: ExecutionId
  /** What comes, or came, of it. */
  readonly result: Effect.Effect<ExecutionResult, Refusal>
}

type Answer = Effect.Effect<Holder, Refusal>

/** Sees to it that a key's request runs once. */
export class Idempotency extends Context.Tag("@bulkhead/sandbox/Idempotency")<
  Idempotency,
  {
    /** Begins what a key stands for, unless it runs or has run already; then gives that. */
    readonly once: (
      claim: Claim,
      start: Effect.Effect<Fiber.Fiber<ExecutionResult, Refusal>, Refusal>
    ) => Effect.Effect<Holder, Refusal>
    /** By which this life of the service tells secrets apart. */
    readonly secretsKey: Uint8Array
  }
>() {
  static readonly layer: Layer.Layer<Idempotency, never, IdempotencyKeys | ExecutionStore> = Layer.scoped(
    Idempotency,
    Effect.suspend(() => make)
  )
}

/** A key whose execution waits or runs, with the answer for whoever asks with it meanwhile. */
interface Pending {
  readonly fingerprint: string
  readonly answer: Deferred.Deferred<Answer>
}

/** What came later to requests, where there is any: those without it keep the fingerprint that they had before. */
const later = ({ args, gpu, image, network, stdin, stdinEncoding, webhook }: ExecutionRequest) => {
  const isBare = args.length === 0 && stdin === undefined && webhook === undefined
  const rest = [...(gpu ? [{ gpu }] : []), ...(network ? [{ network }] : [])]
  if (isBare && image === undefined) return rest
  return [args, stdin, stdinEncoding, webhook, ...(image ? [image] : []), ...rest]
}

const secretsOf = ({ secrets }: ExecutionRequest, key: Uint8Array) =>
  Object.keys(secrets).length === 0 ? [] : [{ secrets: Secrets.identityOf(secrets, key) }]

/**
 * The same for requests that ask for the same. What stands for the values of secrets in it is made with a key that
 * nobody keeps: in another life of the service, it is another.
 */
export const fingerprint = (
  request: ExecutionRequest,
  held: RequestFiles.HeldFiles,
  secretsKey: Uint8Array
) => {
  const { code, env, language, outputDir, retryOnFailure, timeout } = request
  const files = RequestFiles.identityOf(request.files, held)
  const first = [code, env, files, language, outputDir, retryOnFailure, timeout]
  const asked = [...first, ...later(request), ...secretsOf(request, secretsKey)]
  return hash("sha256", JSON.stringify(asked), "base64url")
}

const conflict = (executionId: ExecutionId, message: string) =>
  new IdempotencyConflict({ executionId, message: `idempotencyKey: ${message}` })

/** Nothing is known of the execution that a key stands for. */
export const forgotten = (executionId: ExecutionId) =>
  conflict(executionId, "its execution is not kept here any more, or another server is about to begin it")

const anotherRequest = (executionId: ExecutionId) =>
  conflict(executionId, "expected a new key, this one stands for another request")

/** Seconds after which a store that cannot be written may be there again. */
const storeRecovery = 5

const unavailable = (executionId: ExecutionId) =>
  new RecordUnavailable({
    executionId,
    message: "The idempotency key cannot be recorded at present",
    retryAfter: storeRecovery
  })

/** Keys that are tried to be given back at most; of more, the latest. */
const mostOwed = 10_000

/** Whether it is certain that no code ran, so that the key may be used again. After a mistake of ours nothing is. */
const neverRan = ({ error, receipt, verdict }: ExecutionResult) =>
  verdict === "InternalError" && receipt === undefined && error?.category !== "internal"

/** Seconds after which an execution of another server is worth asking for again. */
const elsewhere = 1

const underWay = (executionId: ExecutionId) =>
  new RecordUnavailable({
    executionId,
    message: "idempotencyKey: its execution is under way on another server; ask again",
    retryAfter: elsewhere
  })

/**
 * What this server's own executions come to is waited for and not asked for here, so one that has not ended is another
 * server's.
 */
const replay = (
  { find }: Context.Tag.Service<ExecutionStore>,
  { executionId }: Claim
): Effect.Effect<ExecutionResult, IdempotencyConflict | RecordUnavailable | StoreFailure> =>
  Effect.gen(function* () {
    const found = Option.getOrUndefined(yield* find(executionId))
    if (found?.result !== undefined) return found.result
    if (found === undefined) {
      return yield* forgotten(executionId)
    }
    return yield* found.state === "ended"
      ? conflict(executionId, "the result of its execution is not kept here any more")
      : underWay(executionId)
  })

/** Whether a key's execution was refused, came to nothing before any code ran, or is not in the books. */
const isFree = ({ find }: Context.Tag.Service<ExecutionStore>, { executionId }: Claim) =>
  Effect.map(
    find(executionId),
    Option.match({
      onNone: () => true,
      onSome: ({ result, verdict }) => verdict === "Rejected" || (result !== undefined && neverRan(result))
    })
  )

/**
 * Gives a key back, if the books say so: another server may have ended its execution first, and differently. Whether one
 * that is not in them ran is for the keys to know: they release none that a living server may be about to use.
 */
const giveBack = (
  { release }: Context.Tag.Service<IdempotencyKeys>,
  store: Context.Tag.Service<ExecutionStore>,
  claim: Claim
) =>
  // What this server has still to write must be in them.
  Effect.zipRight(store.commit, Effect.whenEffect(release(claim), isFree(store, claim)))

/** Takes the key, unless it stands for an execution. */
const take = (
  keys: Context.Tag.Service<IdempotencyKeys>,
  store: Context.Tag.Service<ExecutionStore>,
  claim: Claim
) =>
  Effect.gen(function* () {
    const holder = yield* keys.claim(claim)
    if (holder.executionId === claim.executionId || !(yield* isFree(store, holder))) return holder
    yield* giveBack(keys, store, holder)
    return yield* keys.claim(claim)
  })

const make = Effect.gen(function* () {
  const keys = yield* IdempotencyKeys
  const store = yield* ExecutionStore
  /** By user and key. */
  const allPending = new Map<string, Pending>()

  /** Keys that this server may hold for nothing. As long as it lives, no other one may take them. */
  const owed = yield* Queue.sliding<Claim>(mostOwed)
  yield* Queue.take(owed).pipe(
    Effect.flatMap((claim) => Effect.retry(giveBack(keys, store, claim), Schedule.spaced("1 second"))),
    Effect.forever,
    Effect.interruptible,
    Effect.forkScoped
  )

  const once: Idempotency["Type"]["once"] = Effect.fnUntraced(function* (claim, start) {
    const { executionId } = claim
    const name = `${claim.userId} ${claim.key}`
    const mine: Pending = {
      fingerprint: claim.fingerprint,
      answer: yield* Deferred.make<Answer>()
    }
    const pending = allPending.get(name)
    if (pending !== undefined) {
      if (pending.fingerprint !== claim.fingerprint) return yield* anotherRequest(executionId)
      return yield* Effect.interruptible(Effect.flatten(Deferred.await(pending.answer)))
    }
    allPending.set(name, mine)

    const settle = (exit: Exit.Exit<ExecutionResult, Refusal>) =>
      Effect.zipRight(
        Exit.isFailure(exit) || neverRan(exit.value)
          ? Effect.catchAll(giveBack(keys, store, claim), () => Queue.offer(owed, claim))
          : Effect.void,
        Effect.sync(() => allPending.delete(name))
      )
    const run: Effect.Effect<Answer> = Effect.matchCauseEffect(start, {
      onFailure: (cause) => Effect.as(settle(Exit.failCause(cause)), Effect.failCause(cause)),
      onSuccess: (fiber) =>
        Effect.map(
          Effect.forkDaemon(Effect.tap(Fiber.await(fiber), settle)),
          (settled): Answer =>
            Effect.succeed({ executionId, result: Effect.flatten(Effect.flatten(Fiber.await(settled))) })
        )
    })
    const answerOf = (holder: Claim): Effect.Effect<Answer> => {
      if (holder.executionId === executionId) return run
      allPending.delete(name)
      return Effect.succeed(
        holder.fingerprint === claim.fingerprint
          ? Effect.succeed({
              executionId: holder.executionId,
              result: Effect.catchTag(replay(store, holder), "StoreFailure", () => unavailable(executionId))
            })
          : anotherRequest(executionId)
      )
    }

    const answer = yield* take(keys, store, claim).pipe(
      Effect.flatMap(answerOf),
      Effect.catchTag("StoreFailure", () => {
        allPending.delete(name)
        // It may have been claimed all the same.
        return Effect.zipRight(Queue.offer(owed, claim), Effect.succeed<Answer>(unavailable(executionId)))
      })
    )
    yield* Deferred.succeed(mine.answer, answer)
    return yield* Effect.interruptible(answer)
  }, Effect.uninterruptible)

  return Idempotency.of({ once, secretsKey: randomBytes(32) })
})
