import { createHash, type Hash, randomUUID } from "node:crypto"
import { openAsBlob } from "node:fs"
import { join } from "node:path"
import { ArtifactSpace, type ArtifactStoreFailure } from "@bulkhead/artifacts"
import { anonymous, FileId, OwnedUpload, type UserId } from "@bulkhead/domain"
import { UploadFailure, Uploads } from "@bulkhead/sandbox"
import { FileSystem, type Error as PlatformError } from "@effect/platform"
import { Clock, Duration, Effect, Layer, Option, Schedule, Schema, Stream } from "effect"

export interface UploadOptions {
  /** Bytes that all files may take. Absent: no bound. */
  readonly all?: number
  /** Bytes that one user's files may take. Absent: no bound. */
  readonly eachUser?: number
  /** How long a file is kept; 24 hours unless told. */
  readonly lifetime?: Duration.DurationInput
}

/** What each file takes beside its bytes: room on the disk and in memory, so that empty ones are not free. */
const fileCost = 65_536

/** Between looks for files whose time is over. They are not given out any more from that moment on. */
const sweepInterval = "1 minute"

/** A file that was taken in. */
interface Entry {
  readonly fileId: FileId
  readonly owner: Option.Option<UserId>
  readonly bytes: number
  readonly sha256: string
  /** Changes once, when it is kept. */
  path: string
  /** Present once it is kept. */
  upload?: OwnedUpload
  /** How many use it. */
  holds: number
}

/** What the system says of a disk, or a quota, that is full. */
const fullCodes = new Set(["ENOSPC", "EDQUOT", "EFBIG"])

const failureOf = (error: PlatformError.PlatformError) => {
  const code = String((error.cause as { readonly code?: unknown } | undefined)?.code)
  return new UploadFailure({ reason: fullCodes.has(code) ? "NoSpace" : "Unavailable", cause: error })
}

const quotaFailure = ({ limit, reason }: ArtifactStoreFailure) =>
  new UploadFailure({ reason, ...(limit === undefined ? {} : { limit }) })

const makeId = Effect.sync(() => FileId.make(`file_${randomUUID().replaceAll("-", "")}`))

const Metadata = Schema.parseJson(OwnedUpload)
const readMetadata = Schema.decode(Metadata)
const writeMetadata = Schema.encodeSync(Metadata)

const metadataSuffix = ".json"

/** Of the file to which this one, of bytes or metadata, belongs. */
const idOf = (name: string) => (name.endsWith(metadataSuffix) ? name.slice(0, -metadataSuffix.length) : name)

const isMissing = (error: PlatformError.PlatformError) =>
  error._tag === "SystemError" && error.reason === "NotFound"

const make = Effect.fnUntraced(function* (root: string, options: UploadOptions) {
  const files = yield* FileSystem.FileSystem
  const lifetime = Duration.toMillis(options.lifetime ?? "24 hours")
  const space = yield* ArtifactSpace.make(options)
  const staging = join(root, "staging")
  const kept = join(root, "kept")
  const entries = new Map<FileId, Entry>()

  // Whatever is staged at the start is what a crash has left.
  yield* files.remove(staging, { recursive: true, force: true })
  yield* Effect.forEach([root, staging, kept], (path) =>
    Effect.zipRight(files.makeDirectory(path, { recursive: true, mode: 0o700 }), files.chmod(path, 0o700))
  )

  const payerOf = (owner: Option.Option<UserId>) => Option.getOrElse(owner, () => anonymous)
  const metadataOf = (fileId: FileId) => join(kept, `${fileId}${metadataSuffix}`)
  const draftOf = (fileId: FileId) => join(staging, `${fileId}${metadataSuffix}`)
  const removeFile = (path: string) => files.remove(path, { force: true })

  /** Forgotten files whose bytes are still there, and count: somebody uses them, or they could not be removed yet. */
  const remains = new Set<Entry>()

  const removeBytes = (entry: Entry) =>
    removeFile(entry.path).pipe(
      Effect.zipRight(
        Effect.suspend(() =>
          remains.delete(entry)
            ? space.giveBack(Option.some(payerOf(entry.owner)), entry.bytes + fileCost)
            : Effect.void
        )
      ),
      Effect.ignoreLogged
    )

  /**
   * From now on nobody finds it, also after a crash: without its metadata a file is nobody's. Its bytes go at once, or
   * when the last who uses it is done.
   */
  const forget = Effect.fnUntraced(function* (entry: Entry) {
    if (entry.upload !== undefined) yield* Effect.mapError(removeFile(metadataOf(entry.fileId)), failureOf)
    if (!entries.delete(entry.fileId)) return
    remains.add(entry)
    if (entry.holds === 0) yield* removeBytes(entry)
  }, Effect.uninterruptible)

  const isOver = (entry: Entry, now: number) => entry.upload !== undefined && entry.upload.expiresAt <= now

  const sweep = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const over = [...entries.values()].filter((entry) => isOver(entry, now))
    const unused = [...remains].filter(({ holds }) => holds === 0)
    yield* Effect.forEach(unused, removeBytes, { discard: true })
    yield* Effect.forEach(over, (entry) => Effect.ignoreLogged(forget(entry)), { discard: true })
  })

  /** What a life of the server before this one has kept, if it is whole. */
  const restore = Effect.fnUntraced(function* (name: string) {
    const upload = yield* Effect.flatMap(files.readFileString(join(kept, name)), readMetadata)
    const path = join(kept, upload.fileId)
    const { size } = yield* files.stat(path)
    if (name !== `${upload.fileId}${metadataSuffix}` || Number(size) !== upload.bytes) return
    const { bytes, fileId, sha256, userId } = upload
    const owner = Option.some(userId)
    entries.set(fileId, { fileId, owner, bytes, sha256, path, upload, holds: 0 })
    yield* space.count(owner, bytes + fileCost)
  })

  /** Restores a file, and gives whether it is known what it is. */
  const isJudged = (name: string) =>
    restore(name).pipe(
      Effect.catchTag("ParseError", () => Effect.void),
      Effect.catchIf(isMissing, () => Effect.void),
      Effect.tapError((error) =>
        Effect.logError("A file that was sent cannot be read, and stays as it is", error)
      ),
      Effect.isSuccess
    )

  const restoreAll = Effect.gen(function* () {
    const names = yield* files.readDirectory(kept)
    const metadata = names.filter((name) => name.endsWith(metadataSuffix))
    const unread = yield* Effect.filter(metadata, isJudged, { concurrency: 16, negate: true })
    const staying = new Set<string>([...entries.keys(), ...unread.map(idOf)])
    // What is left is of files that were about to be kept, or to be removed.
    yield* Effect.forEach(
      names.filter((name) => !staying.has(idOf(name))),
      (name) => removeFile(join(kept, name)),
      { concurrency: 16, discard: true }
    )
  })
  yield* restoreAll
  yield* sweep
  yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced(sweepInterval)))

  /** A file that is gone with the scope unless it is kept. */
  const register = (entry: Entry) =>
    Effect.acquireRelease(
      Effect.sync(() => void entries.set(entry.fileId, entry)),
      () => Effect.unless(Effect.ignoreLogged(forget(entry)), () => entry.upload !== undefined)
    )

  /** Takes room piece by piece, writes, and gives all of it back if the whole does not come. */
  const write = Effect.fnUntraced(function* <E, R>(
    path: string,
    payer: UserId,
    content: Stream.Stream<Uint8Array, E, R>,
    hash: Hash
  ) {
    let bytes = 0
    const take = (more: number) => Effect.mapError(space.take(payer, more), quotaFailure)
    yield* take(fileCost)
    yield* Effect.gen(function* () {
      const file = yield* Effect.mapError(files.open(path, { flag: "wx", mode: 0o600 }), failureOf)
      yield* Stream.runForEach(
        // Writing nothing counts as a failure to write.
        Stream.filter(content, (piece) => piece.length > 0),
        (piece) =>
          Effect.gen(function* () {
            yield* take(piece.length)
            bytes += piece.length
            hash.update(piece)
            yield* Effect.mapError(file.writeAll(piece), failureOf)
          })
      )
    }).pipe(
      Effect.scoped,
      Effect.onExit((exit) =>
        exit._tag === "Success"
          ? Effect.void
          : Effect.zipRight(
              Effect.ignoreLogged(removeFile(path)),
              space.giveBack(Option.some(payer), fileCost + bytes)
            )
      )
    )
    return bytes
  })

  /** Metadata last: a file that has it is whole. */
  const keep = (entry: Entry) =>
    Effect.fnUntraced(
      function* (name: string, userId: UserId) {
        const { bytes, fileId, sha256 } = entry
        const expiresAt = (yield* Clock.currentTimeMillis) + lifetime
        const upload: OwnedUpload = { fileId, name, bytes, sha256, expiresAt, userId }
        const draft = draftOf(fileId)
        yield* Effect.scoped(Effect.flatMap(files.open(entry.path, { flag: "r+" }), ({ sync }) => sync))
        yield* files.writeFileString(draft, writeMetadata(upload), { flag: "wx", mode: 0o600 })
        yield* Effect.scoped(Effect.flatMap(files.open(draft, { flag: "r+" }), ({ sync }) => sync))
        const place = join(kept, fileId)
        yield* files.rename(entry.path, place)
        entry.path = place
        yield* files.rename(draft, metadataOf(fileId))
        entry.upload = upload
        return upload
      },
      Effect.onError(() => Effect.ignore(removeFile(draftOf(entry.fileId)))),
      Effect.uninterruptible,
      Effect.mapError(failureOf)
    )

  const stage: Uploads["Type"]["stage"] = Effect.fnUntraced(function* (owner, content) {
    const fileId = yield* makeId
    const path = join(staging, fileId)
    const hash = createHash("sha256")
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const bytes = yield* restore(write(path, payerOf(owner), content, hash))
        const sha256 = hash.digest("hex")
        const entry: Entry = { fileId, owner, bytes, sha256, path, holds: 0 }
        yield* register(entry)
        return { fileId, bytes, sha256, keep: keep(entry) }
      })
    )
  })

  const ofUser = (userId: UserId, fileId: FileId) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const entry = entries.get(fileId)
      const isTheirs = entry !== undefined && Option.getOrElse(entry.owner, () => userId) === userId
      return isTheirs && !isOver(entry, now) ? Option.some(entry) : Option.none()
    })

  const letGo = (entry: Entry) =>
    Effect.suspend(() => {
      entry.holds--
      return entry.holds === 0 && remains.has(entry) ? removeBytes(entry) : Effect.void
    })

  const held = (entry: Entry) =>
    Effect.acquireRelease(
      Effect.sync(() => void entry.holds++),
      () => letGo(entry)
    ).pipe(
      Effect.zipRight(
        Effect.tryPromise({
          try: () => openAsBlob(entry.path),
          catch: (cause) => new UploadFailure({ reason: "Unavailable", cause })
        })
      ),
      Effect.map((content) => ({ bytes: entry.bytes, sha256: entry.sha256, content }))
    )

  const keptOf = (userId: UserId, now: number) =>
    [...entries.values()]
      .filter((entry) => !isOver(entry, now))
      .flatMap(({ upload }) => (upload?.userId === userId ? [upload] : []))

  return Uploads.of({
    stage,
    hold: (userId, fileId) =>
      Effect.flatMap(
        ofUser(userId, fileId),
        Option.match({ onNone: () => Effect.succeedNone, onSome: (entry) => Effect.asSome(held(entry)) })
      ),
    list: (userId) => Effect.map(Clock.currentTimeMillis, (now) => keptOf(userId, now)),
    find: (userId, fileId) =>
      Effect.map(
        ofUser(userId, fileId),
        Option.flatMapNullable(({ upload }) => upload)
      ),
    remove: (userId, fileId) =>
      Effect.flatMap(
        ofUser(userId, fileId),
        Option.match({
          onNone: () => Effect.succeed(false),
          onSome: (entry) => Effect.as(forget(entry), true)
        })
      ),
    taken: space.taken
  })
})

/**
 * Keeps files in a directory of its own, which it makes, readable by nobody else. Nothing else may use the directory,
 * and only one process at a time. What is half there at the start is removed.
 */
export const layer = (directory: string, options: UploadOptions = {}) =>
  Layer.scoped(Uploads, Effect.mapError(make(directory, options), failureOf))
