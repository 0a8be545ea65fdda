import { hash, randomUUID } from "node:crypto"
import { join } from "node:path"
import { FileSystem, type Error as PlatformError } from "@effect/platform"
import { Effect, Layer, Option, Ref, Stream } from "effect"
import * as ArtifactPolicy from "./ArtifactPolicy.js"
import { ArtifactStore, ArtifactStoreFailure } from "./ArtifactStore.js"

/** What the system says of a disk, or a quota, that is full. */
const fullCodes = new Set(["ENOSPC", "EDQUOT", "EFBIG"])

const failureOf = (error: PlatformError.PlatformError) => {
  const code = String((error.cause as { readonly code?: unknown } | undefined)?.code)
  return new ArtifactStoreFailure({ reason: fullCodes.has(code) ? "NoSpace" : "Unavailable", cause: error })
}

const isMissing = (error: PlatformError.PlatformError) =>
  error._tag === "SystemError" && error.reason === "NotFound"

/** A file's own name, since an artifact's may be anything. */
const hashed = (text: string) => hash("sha256", text)

const make = Effect.fnUntraced(function* (root: string) {
  const files = yield* FileSystem.FileSystem
  const staging = join(root, "staging")
  const kept = join(root, "kept")
  const directoryOf = (executionId: string) => join(kept, hashed(executionId))
  const fileOf = (executionId: string, name: string) => join(directoryOf(executionId), hashed(name))
  const makeDirectory = (path: string) => files.makeDirectory(path, { recursive: true, mode: 0o700 })

  // Whatever is staged at the start is what a crash has left.
  yield* files.remove(staging, { recursive: true, force: true })
  yield* makeDirectory(staging)
  yield* makeDirectory(kept)
  yield* Effect.forEach([root, staging, kept], (path) => files.chmod(path, 0o700))

  const read = (path: string, offset: number, length: number) =>
    Stream.mapError(files.stream(path, { offset, bytesToRead: length }), failureOf)

  return ArtifactStore.of({
    stage: (executionId, name, content) =>
      Effect.gen(function* () {
        const path = join(staging, randomUUID())
        yield* Effect.addFinalizer(() => Effect.ignoreLogged(files.remove(path, { force: true })))
        const file = yield* Effect.mapError(files.open(path, { flag: "wx", mode: 0o600 }), failureOf)
        const written = yield* Ref.make(0)
        const write = (bytes: Uint8Array) =>
          Effect.zipRight(
            Effect.mapError(file.writeAll(bytes), failureOf),
            Ref.update(written, (before) => before + bytes.length)
          )
        // Writing nothing counts as a failure to write.
        yield* Stream.runForEach(
          Stream.filter(content, (bytes) => bytes.length > 0),
          write
        )
        const size = yield* Ref.get(written)
        const keep = Effect.zipRight(file.sync, makeDirectory(directoryOf(executionId))).pipe(
          Effect.zipRight(files.rename(path, fileOf(executionId, name))),
          Effect.mapError(failureOf)
        )
        return { content: read(path, 0, size), keep, size }
      }),
    open: (executionId, name, { length, offset } = { offset: 0 }) =>
      files.stat(fileOf(executionId, name)).pipe(
        Effect.map((stat) => {
          const size = Number(stat.size)
          const most = Math.max(size - offset, 0)
          return Option.some({
            size,
            mediaType: ArtifactPolicy.mediaTypeOf(name),
            content: read(fileOf(executionId, name), offset, Math.min(length ?? most, most))
          })
        }),
        Effect.catchIf(isMissing, () => Effect.succeedNone),
        Effect.mapError(failureOf)
      ),
    remove: (executionId) =>
      files
        .remove(directoryOf(executionId), { recursive: true, force: true })
        .pipe(Effect.mapError(failureOf))
  })
})

/**
 * Keeps artifacts as files in a directory of its own, which it makes, readable by nobody else. Their names there are
 * hashes. Nothing else may use the directory, and only one process at a time.
 */
export const layer = (directory: string) =>
  Layer.effect(ArtifactStore, Effect.mapError(make(directory), failureOf))
