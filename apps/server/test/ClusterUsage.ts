import { isDeepStrictEqual } from "node:util"
import type { ExecutionRecord, ExecutionSummary, UserUsage } from "@bulkhead/domain"
import { Effect } from "effect"
import * as Caller from "./Caller.js"

const bytesOf = ({ executionId }: ExecutionSummary) =>
  Effect.map(
    Caller.get(`/api/sandbox/executions/${executionId}`),
    ({ result }: ExecutionRecord) => result?.artifacts.reduce((bytes, { size }) => bytes + size, 0) ?? 0
  )

/** What a user's executions left, by their records. */
const leftBy = (userId: string, all: ReadonlyArray<ExecutionSummary>) =>
  Effect.map(
    Effect.forEach(
      all.filter((execution) => execution.userId === userId && execution.verdict === "Completed"),
      bytesOf,
      { concurrency: 8 }
    ),
    (bytes) => bytes.reduce((sum, some) => sum + some, 0)
  )

const usageOf = (userId: string) =>
  Effect.map(
    Caller.get(`/api/sandbox/usage?userId=${userId}`),
    ({ usage: [usage] }: { readonly usage: ReadonlyArray<UserUsage> }) => usage
  )

/** What these users used, as one replica says. */
export const read = (users: ReadonlyArray<string>) => Effect.forEach(users, usageOf)

/**
 * Each execution is in its user's usage once: every byte that was kept is, and every sandbox that an answer tells of.
 */
export const check = Effect.fnUntraced(function* (
  users: ReadonlyArray<string>,
  all: ReadonlyArray<ExecutionSummary>,
  withSandbox: ReadonlySet<string>
) {
  return yield* Effect.forEach(users, (userId) =>
    Effect.gen(function* () {
      const usage = yield* usageOf(userId)
      const own = all.filter((execution) => execution.userId === userId)
      const least = own.filter(({ executionId }) => withSandbox.has(executionId)).length
      const bytes = yield* leftBy(userId, all)
      const counted = usage?.executions ?? 0
      return [
        ...(least <= counted && counted <= own.length
          ? []
          : [`${userId} has ${counted} executions in its usage, not ${least} to ${own.length}`]),
        ...(bytes === (usage?.artifactBytes ?? 0)
          ? []
          : [`${userId} has ${usage?.artifactBytes} bytes of artifacts in its usage, not ${bytes}`])
      ]
    })
  ).pipe(Effect.map((found) => found.flat()))
})

/** What two replicas say of it must be the same. */
export const differences = (
  one: ReadonlyArray<UserUsage | undefined>,
  other: ReadonlyArray<UserUsage | undefined>
) => (isDeepStrictEqual(one, other) ? [] : ["two replicas give different usage"])
