import { hash, randomUUID } from "node:crypto"
import { join } from "node:path"
import { UserId } from "@bulkhead/domain"
import { FileSystem, type Error as PlatformError } from "@effect/platform"
import { Effect, Layer, Option, Ref, Schema, Stream } from "effect"
import * as ArtifactSpace from "./ArtifactSpace.js"
import { ArtifactStore, ArtifactStoreFailure, type NewArtifact } from "./ArtifactStore.js"

/** What the system says of a disk, or a quota, that is full. */
const fullCodes = new Set(["ENOSPC", "EDQUOT", "EFBIG"])

const failureOf = (error: PlatformError.PlatformError) => {
  const code = String((error.cause as { readonly code?: unknown } | undefined)?.code)
  return new ArtifactStoreFailure({ reason: fullCodes.has(code) ? "NoSpace" : "Unavailable", cause: error })
}

const isMissing = (error: PlatformError.PlatformError) =>
  error._tag === "SystemError" && error.reason === "NotFound"

const isThere = (error: PlatformError.PlatformError) =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

/** A file's own name, since an artifact's may be anything. */
const hashed = (text: string) => hash("sha256", text)

/** In an execution's directory: whose it is. No artifact's file is named so. */
const userFile = "user"

/** None: it is from before there was such a file, or its writing was cut off. */
const userIn = Schema.decodeOption(UserId)

const make = Effect.fnUntraced(function* (root: string, limits: ArtifactSpace.SpaceLimits) {
  const files = yield* FileSystem.FileSystem
  const space = yield* ArtifactSpace.make(limits)
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

  const sizeOf = (path: string) =>
    files.stat(path).pipe(
      Effect.map(({ size }) => Number(size)),
      Effect.catchIf(isMissing, () => Effect.succeed(0))
    )

  /** Whose a directory is, and what is kept in it, with the bytes of each. */
  const contentsOf = Effect.fnUntraced(
    function* (directory: string) {
      const names = yield* files.readDirectory(directory)
      const user = yield* files
        .readFileString(join(directory, userFile))
        .pipe(Effect.catchIf(isMissing, () => Effect.succeed("")))
      const paths = names.filter((name) => name !== userFile).map((name) => join(directory, name))
      const artifacts = yield* Effect.forEach(paths, (path) =>
        Effect.map(sizeOf(path), (bytes) => ({ path, bytes }))
      )
      return { userId: userIn(user), artifacts }
    },
    Effect.catchIf(isMissing, () => Effect.succeed({ userId: Option.none<UserId>(), artifacts: [] }))
  )

  const changing = yield* Effect.makeSemaphore(1)
  const uncounted = new Set(yield* files.readDirectory(kept))

  /** One directory after the other, so that whoever removes one in between finds it counted or not. */
  const countAll = Effect.forEach(
    [...uncounted],
    (name) =>
      Effect.gen(function* () {
        if (!uncounted.has(name)) return
        const { artifacts, userId } = yield* contentsOf(join(kept, name))
        yield* Effect.forEach(artifacts, ({ bytes }) => space.count(userId, bytes), { discard: true })
        uncounted.delete(name)
      }).pipe(
        changing.withPermits(1),
        Effect.catchAll((error) => Effect.logError("Artifacts could not be counted", error))
      ),
    { discard: true }
  )
  const counted = yield* Effect.makeLatch()
  yield* Effect.forkScoped(Effect.ensuring(countAll, counted.open))

  const read = (path: string, offset: number, length: number) =>
    Stream.mapError(files.stream(path, { offset, bytesToRead: length }), failureOf)

  /** Writes down whose a directory is, unless that is done. */
  const nameUser = (directory: string, userId: UserId) => {
    const path = join(directory, userFile)
    return files.writeFileString(path, userId, { flag: "wx", mode: 0o600 }).pipe(
      Effect.catchIf(isThere, () => Effect.void),
      Effect.tapError(() => Effect.ignore(files.remove(path, { force: true })))
    )
  }

  /** Room for a file, which is given back unless the file is kept. */
  const room = Effect.fnUntraced(function* ({ size, userId }: NewArtifact) {
    yield* counted.await
    const isKept = yield* Ref.make(false)
    yield* Effect.acquireRelease(space.take(userId, size), () =>
      Effect.unlessEffect(space.giveBack(Option.some(userId), size), Ref.get(isKept))
    )
    return Ref.set(isKept, true)
  })

  const write = Effect.fnUntraced(function* <E, R>(path: string, content: Stream.Stream<Uint8Array, E, R>) {
    yield* Effect.addFinalizer(() => Effect.ignoreLogged(files.remove(path, { force: true })))
    const file = yield* Effect.mapError(files.open(path, { flag: "wx", mode: 0o600 }), failureOf)
    const written = yield* Ref.make(0)
    yield* Stream.runForEach(
      // Writing nothing counts as a failure to write.
      Stream.filter(content, (bytes) => bytes.length > 0),
      (bytes) =>
        Effect.zipRight(
          Effect.mapError(file.writeAll(bytes), failureOf),
          Ref.update(written, (before) => before + bytes.length)
        )
    )
    return { file, size: yield* Ref.get(written) }
  })

  return ArtifactStore.of({
    stage: (artifact, content) =>
      Effect.gen(function* () {
        const { executionId, name, userId } = artifact
        const stay = yield* room(artifact)
        const path = join(staging, randomUUID())
        const { file, size } = yield* write(path, content)
        const move = Effect.gen(function* () {
          const place = fileOf(executionId, name)
          yield* makeDirectory(directoryOf(executionId))
          yield* nameUser(directoryOf(executionId), userId)
          const before = yield* sizeOf(place)
          yield* files.rename(path, place)
          yield* stay
          yield* space.giveBack(Option.some(userId), before)
        }).pipe(changing.withPermits(1), Effect.uninterruptible)
        const keep = Effect.mapError(Effect.zipRight(file.sync, move), failureOf)
        return { content: read(path, 0, size), keep, size }
      }),
    open: (executionId, name, { length, offset } = { offset: 0 }) =>
      files.stat(fileOf(executionId, name)).pipe(
        Effect.map((stat) => {
          const size = Number(stat.size)
          const most = Math.max(size - offset, 0)
          return Option.some({
            size,
            content: read(fileOf(executionId, name), offset, Math.min(length ?? most, most))
          })
        }),
        Effect.catchIf(isMissing, () => Effect.succeedNone),
        Effect.mapError(failureOf)
      ),
    remove: (executionId) =>
      Effect.gen(function* () {
        const directory = directoryOf(executionId)
        const isCounted = !uncounted.has(hashed(executionId))
        const { artifacts, userId } = yield* contentsOf(directory)
        // One after the other, so that also what is only half done gives back what it has freed.
        for (const { bytes, path } of artifacts) {
          yield* files.remove(path, { force: true })
          if (isCounted) yield* space.giveBack(userId, bytes)
        }
        yield* files.remove(directory, { recursive: true, force: true })
        uncounted.delete(hashed(executionId))
      }).pipe(changing.withPermits(1), Effect.uninterruptible, Effect.mapError(failureOf)),
    taken: space.taken
  })
})

/**
 * Keeps artifacts as files in a directory of its own, which it makes, readable by nobody else. Their names there are
 * hashes. Nothing else may use the directory, and only one process at a time. What is there at the start is counted in
 * the background; the first artifact waits for that.
 */
export const layer = (directory: string, limits: ArtifactSpace.SpaceLimits = {}) =>
  Layer.scoped(ArtifactStore, Effect.mapError(make(directory, limits), failureOf))
