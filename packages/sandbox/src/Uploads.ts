import type { FileId, OwnedUpload, UserId } from "@bulkhead/domain"
import { Context, Effect, type Option, Schema, type Scope, type Stream } from "effect"

/** Files that callers send could not be taken in, kept or read. */
export class UploadFailure extends Schema.TaggedError<UploadFailure>()("UploadFailure", {
  /**
   * `NoSpace`: the disk is full; `UserQuota`, `Quota`: the user's files, or all, would take more than they may;
   * `NotTaken`: nothing is taken in here.
   */
  reason: Schema.Literal("NoSpace", "UserQuota", "Quota", "NotTaken", "Unavailable"),
  /** Bytes that the quota is, where it is one. */
  limit: Schema.optional(Schema.Number),
  /** For the operator's log alone. */
  cause: Schema.optional(Schema.Defect)
}) {}

/** A file that was taken in: its content is known, and it is gone with its scope unless it is kept. */
export interface StagedUpload {
  /** By which requests can name it already. */
  readonly fileId: FileId
  readonly bytes: number
  /** In hex. */
  readonly sha256: string
  /** Keeps it for a while under its id, whatever happens to the scope or the process. Needs an owner. */
  readonly keep: (name: string, userId: UserId) => Effect.Effect<OwnedUpload, UploadFailure>
}

/** A file that nobody takes away for the time being. */
export interface HeldUpload {
  readonly bytes: number
  /** In hex. */
  readonly sha256: string
  /** Read from where it is kept as it is asked for. */
  readonly content: Blob
}

const notTaken = new UploadFailure({ reason: "NotTaken" })

/**
 * Where the files are that callers send, beside their requests or before them. None of a user's files is another's.
 * Default: one that takes none, and has none.
 */
export class Uploads extends Context.Reference<Uploads>()("@bulkhead/sandbox/Uploads", {
  defaultValue: (): {
    /**
     * Takes a file in as it comes, never whole in memory. Fails when its content does, with the same error; then
     * nothing is left of it. Without an owner, whoever knows its id may name it.
     */
    readonly stage: <E, R>(
      owner: Option.Option<UserId>,
      content: Stream.Stream<Uint8Array, E, R>
    ) => Effect.Effect<StagedUpload, E | UploadFailure, R | Scope.Scope>
    /** A user's file, whoever removes it, until the scope closes; none: there is no such file of this user's. */
    readonly hold: (
      userId: UserId,
      fileId: FileId
    ) => Effect.Effect<Option.Option<HeldUpload>, UploadFailure, Scope.Scope>
    /** The files that are kept for a user, oldest first. */
    readonly list: (userId: UserId) => Effect.Effect<ReadonlyArray<OwnedUpload>>
    readonly find: (userId: UserId, fileId: FileId) => Effect.Effect<Option.Option<OwnedUpload>>
    /** Forgets a file; its bytes go when nobody holds it. Whether there was such a file of this user's. */
    readonly remove: (userId: UserId, fileId: FileId) => Effect.Effect<boolean, UploadFailure>
    /** Bytes that a user's files take, or all, with those that are being taken in. */
    readonly taken: (userId?: UserId) => Effect.Effect<number>
  } => ({
    stage: () => notTaken,
    hold: () => Effect.succeedNone,
    list: () => Effect.succeed([]),
    find: () => Effect.succeedNone,
    remove: () => Effect.succeed(false),
    taken: () => Effect.succeed(0)
  })
}) {}
