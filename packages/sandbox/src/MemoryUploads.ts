import { hash, randomUUID } from "node:crypto"
import { FileId, type OwnedUpload, type UserId } from "@bulkhead/domain"
import { Clock, Duration, Effect, Layer, Option, Stream } from "effect"
import { Uploads } from "./Uploads.js"

interface Entry {
  readonly owner: Option.Option<UserId>
  readonly sha256: string
  readonly content: Blob
  readonly upload?: OwnedUpload
}

const make = (lifetime: Duration.Duration) => {
  const entries = new Map<FileId, Entry>()

  const ofUser = (userId: UserId, fileId: FileId) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      Option.fromNullable(entries.get(fileId)).pipe(
        Option.filter(({ owner }) => Option.getOrElse(owner, () => userId) === userId),
        Option.filter(({ upload }) => upload === undefined || now < upload.expiresAt)
      )
    )

  const keep = (fileId: FileId, entry: Entry) => (name: string, userId: UserId) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const expiresAt = now + Duration.toMillis(lifetime)
      const upload = { fileId, name, bytes: entry.content.size, sha256: entry.sha256, expiresAt, userId }
      entries.set(fileId, { ...entry, owner: Option.some(userId), upload })
      return upload
    })

  /** Is gone with the scope unless it is kept by then. */
  const add = (fileId: FileId, entry: Entry) =>
    Effect.acquireRelease(
      Effect.sync(() => void entries.set(fileId, entry)),
      () =>
        Effect.sync(() => {
          if (entries.get(fileId)?.upload === undefined) entries.delete(fileId)
        })
    )

  return Uploads.of({
    stage: Effect.fnUntraced(function* (owner, content) {
      const fileId = FileId.make(`file_${randomUUID().replaceAll("-", "")}`)
      const whole = new Uint8Array(Buffer.concat([...(yield* Stream.runCollect(content))]))
      const sha256 = hash("sha256", whole)
      const entry: Entry = { owner, sha256, content: new Blob([whole]) }
      yield* add(fileId, entry)
      return { fileId, bytes: whole.length, sha256, keep: keep(fileId, entry) }
    }),
    hold: (userId, fileId) =>
      Effect.map(
        ofUser(userId, fileId),
        Option.map(({ content, sha256 }) => ({ bytes: content.size, sha256, content }))
      ),
    list: (userId) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        [...entries.values()]
          .flatMap(({ upload }) => (upload?.userId === userId ? [upload] : []))
          .filter(({ expiresAt }) => now < expiresAt)
      ),
    find: (userId, fileId) =>
      Effect.map(
        ofUser(userId, fileId),
        Option.flatMapNullable(({ upload }) => upload)
      ),
    remove: (userId, fileId) =>
      Effect.map(ofUser(userId, fileId), (found) => Option.isSome(found) && entries.delete(fileId)),
    taken: (userId) =>
      Effect.sync(() =>
        [...entries.values()]
          .filter(({ owner }) => userId === undefined || Option.contains(owner, userId))
          .reduce((sum, { content }) => sum + content.size, 0)
      )
  })
}

/** Keeps files in memory, for tests and for programs that take in little; 24 hours unless told otherwise. */
export const layer = (lifetime: Duration.DurationInput = "24 hours") =>
  Layer.sync(Uploads, () => make(Duration.decode(lifetime)))
