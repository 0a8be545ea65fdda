import type { ExecutionId, UserId } from "@bulkhead/domain"
import { Context, Effect, Layer, Option, Schema, type Scope, Stream } from "effect"

/** The store could not do what it was asked to. */
export class ArtifactStoreFailure extends Schema.TaggedError<ArtifactStoreFailure>()("ArtifactStoreFailure", {
  /** `NoSpace`: the disk is full; `UserQuota`, `Quota`: the user's artifacts, or all, would take more than they may. */
  reason: Schema.Literal("NoSpace", "UserQuota", "Quota", "Unavailable"),
  /** Bytes that the quota is, where it is one. */
  limit: Schema.optional(Schema.Number),
  /** For the operator's log alone. */
  cause: Schema.optional(Schema.Defect)
}) {}

/** A file that is to be taken in. */
export interface NewArtifact {
  readonly executionId: ExecutionId
  /** Whose space it takes. */
  readonly userId: UserId
  readonly name: string
  /** Bytes. Whoever stages it sees to it that its content has no more. */
  readonly size: number
}

/** A file that has been taken in, and that is gone with its scope unless it is kept. */
export interface StagedArtifact {
  /** Bytes. */
  readonly size: number
  readonly content: Stream.Stream<Uint8Array, ArtifactStoreFailure>
  /** Keeps it under its name, in the place of what had that name before. Call it once. */
  readonly keep: Effect.Effect<void, ArtifactStoreFailure>
}

/** Part of an artifact's bytes: to the end unless `length` says otherwise. */
export interface ArtifactRange {
  readonly offset: number
  readonly length?: number
}

/** An artifact that is kept. */
export interface StoredArtifact {
  /** Bytes, whatever the range. */
  readonly size: number
  /** The bytes that were asked for. */
  readonly content: Stream.Stream<Uint8Array, ArtifactStoreFailure>
}

/**
 * Where artifacts are kept.
 *
 * The collector stages up to six files at once, has each scanned as it is read back, and only then keeps it. No name is
 * trusted: it may have any characters, a store tells any two apart, and takes none for a path of its own. A store that
 * has no room fails with `NoSpace`, one that may give no more with `UserQuota` or `Quota`, whatever else is wrong with
 * `Unavailable`, all in bounded time.
 *
 * `ArtifactStoreConformance.suite` of `@bulkhead/testing/conformance` tests what of this can be seen from outside.
 */
export class ArtifactStore extends Context.Tag("@bulkhead/artifacts/ArtifactStore")<
  ArtifactStore,
  {
    /**
     * Takes a file in as it comes, if there is room for it. Fails when its content does, with the same error; then
     * nothing is left of it. Nobody can open it until it is kept, and what had its name stays until then.
     */
    readonly stage: <E, R>(
      artifact: NewArtifact,
      content: Stream.Stream<Uint8Array, E, R>
    ) => Effect.Effect<StagedArtifact, E | ArtifactStoreFailure, R | Scope.Scope>
    /**
     * An artifact that is kept, or none. `size` is the whole's; a range that reaches past the end gives what there is.
     */
    readonly open: (
      executionId: ExecutionId,
      name: string,
      range?: ArtifactRange
    ) => Effect.Effect<Option.Option<StoredArtifact>, ArtifactStoreFailure>
    /** Removes all artifacts of an execution; no failure when it has none. */
    readonly remove: (executionId: ExecutionId) => Effect.Effect<void, ArtifactStoreFailure>
    /** Bytes that a user's artifacts take, or all, with those that are being staged. */
    readonly taken: (userId?: UserId) => Effect.Effect<number>
  }
>() {
  /** Keeps artifacts in memory, for tests. */
  static readonly layerMemory = Layer.sync(ArtifactStore, () => {
    const executions = new Map<ExecutionId, Map<string, Uint8Array>>()
    const users = new Map<ExecutionId, UserId>()
    const namesOf = (executionId: ExecutionId) => {
      const names = executions.get(executionId) ?? new Map<string, Uint8Array>()
      executions.set(executionId, names)
      return names
    }
    return ArtifactStore.of({
      stage: ({ executionId, name, userId }, content) =>
        Effect.gen(function* () {
          const whole = new Uint8Array(Buffer.concat(Array.from(yield* Stream.runCollect(content))))
          return {
            size: whole.length,
            content: Stream.make(whole),
            keep: Effect.sync(() => {
              users.set(executionId, userId)
              namesOf(executionId).set(name, whole)
            })
          }
        }),
      open: (executionId, name, range = { offset: 0 }) =>
        Effect.sync(() =>
          Option.map(Option.fromNullable(executions.get(executionId)?.get(name)), (whole) => ({
            size: whole.length,
            content: Stream.make(
              whole.subarray(
                range.offset,
                range.length === undefined ? undefined : range.offset + range.length
              )
            )
          }))
        ),
      remove: (executionId) => Effect.sync(() => void executions.delete(executionId)),
      taken: (userId) =>
        Effect.sync(() =>
          [...executions]
            .filter(([executionId]) => userId === undefined || users.get(executionId) === userId)
            .flatMap(([, names]) => [...names.values()])
            .reduce((sum, { length }) => sum + length, 0)
        )
    })
  })
}
