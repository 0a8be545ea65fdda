import {
  type ExecutionId,
  type ExecutionRequest,
  QuotaExceeded,
  SystemAtCapacity,
  type UserId
} from "@bulkhead/domain"
import { Context, Effect, HashMap, Layer, Option, Redacted, Ref } from "effect"
import type { LimitValues } from "../Limits.js"
import { LimitsInForce } from "../LimitsInForce.js"

const megabyte = 1_048_576

/** Whose bytes they are. A request that is being received may not have said yet who its user is. */
export interface Holder {
  readonly executionId: ExecutionId
  readonly userId: UserId | undefined
}

/** Bytes that are held. */
interface Held {
  readonly all: number
  readonly users: HashMap.HashMap<UserId, number>
}

const nothing: Held = { all: 0, users: HashMap.empty() }

const heldBy = ({ users }: Held, userId: UserId) => Option.getOrElse(HashMap.get(users, userId), () => 0)

const plus = (held: Held, userId: UserId | undefined, bytes: number): Held => {
  const all = held.all + bytes
  if (userId === undefined) return { ...held, all }
  const own = heldBy(held, userId) + bytes
  const users = own === 0 ? HashMap.remove(held.users, userId) : HashMap.set(held.users, userId, own)
  return { all, users }
}

/** By then everyone who waits now has had a turn or has left. */
const retryAfter = ({ maxQueueWait }: LimitValues) => Math.ceil(maxQueueWait)

const obstacle = (
  held: Held,
  { executionId, userId }: Holder,
  limits: LimitValues
): Option.Option<QuotaExceeded | SystemAtCapacity> => {
  const { maxQueuedMB, maxUserQueuedMB } = limits
  if (userId !== undefined && heldBy(held, userId) > maxUserQueuedMB * megabyte) {
    const message = `User limit reached: ${maxUserQueuedMB} MB of requests that are received or wait`
    return Option.some(new QuotaExceeded({ executionId, message, retryAfter: retryAfter(limits) }))
  }
  if (held.all <= maxQueuedMB * megabyte) return Option.none()
  const message = `System at capacity: ${maxQueuedMB} MB of requests that are received or wait`
  return Option.some(new SystemAtCapacity({ executionId, message, retryAfter: retryAfter(limits) }))
}

/** Bytes of every request beside its texts. */
const frameBytes = 1024

/** JavaScript keeps two bytes for each character of a text that is not in Latin-1 throughout. */
const bytesOfText = (text: string) => (/[^\0-\xff]/.test(text) ? 2 * text.length : text.length)

/** Bytes of memory that a request takes while it waits; files that it names by an id lie on disk. */
export const weightOf = ({ args, code, env, files, secrets, stdin = "" }: ExecutionRequest): number => {
  const ofFiles = files.flatMap(({ content = "", path }) => [content, path])
  const values = Object.values(secrets).map(({ value }) => (value ? Redacted.value(value) : ""))
  const texts = [...values, code, stdin, ...args, ...ofFiles, ...Object.keys(env), ...Object.values(env)]
  return texts.map(bytesOfText).reduce((sum, bytes) => sum + bytes, frameBytes)
}

/** Bounds the memory of all requests that are being received or wait, of each user and in all. */
export class RequestBudget extends Context.Tag("@bulkhead/sandbox/RequestBudget")<
  RequestBudget,
  {
    /** Takes bytes, or refuses. Gives what gives them back, which works once. */
    readonly take: (
      holder: Holder,
      bytes: number
    ) => Effect.Effect<Effect.Effect<void>, QuotaExceeded | SystemAtCapacity>
  }
>() {
  static readonly layer: Layer.Layer<RequestBudget, never, LimitsInForce> = Layer.effect(
    RequestBudget,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const inForce = yield* LimitsInForce
  const held = yield* Ref.make(nothing)

  const take = Effect.fnUntraced(function* (holder: Holder, bytes: number) {
    const limits = yield* Ref.get(inForce)
    const found = yield* Ref.modify(held, (before) => {
      const after = plus(before, holder.userId, bytes)
      const found = obstacle(after, holder, limits)
      return [found, Option.isSome(found) ? before : after] as const
    })
    if (Option.isSome(found)) return yield* found.value
    return yield* Effect.once(Ref.update(held, (now) => plus(now, holder.userId, -bytes)))
  })

  return RequestBudget.of({ take })
})
