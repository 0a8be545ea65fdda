import { ArtifactBlobs, ArtifactStoreFailure, Pieces } from "@bulkhead/artifacts"
import { Array as Arr, Clock, Duration, Effect, Exit, Layer, Option, Stream } from "effect"
import * as S3Bucket from "./S3Bucket.js"

/** Bytes of a part. S3 takes no smaller ones than 5 MiB, and 10,000 of an object. */
const part = 8_388_608

/** Bytes that are read at once: a reader who is slow holds these, and no connection. */
const piece = 2_097_152

/** Objects that S3 removes at once at most. */
const keysAtOnce = 1000

/** Longest time to abort what has failed; what is left of it then ends a day later. */
const farewell = Duration.seconds(10)

/** What nobody has finished by then, nobody will. */
const oldAge = Duration.days(1)

/** What stores say where there is no room. */
const fullCodes = new Set(["QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"])

const unavailable = (cause: unknown) => new ArtifactStoreFailure({ reason: "Unavailable", cause })

const failureOf = (failure: S3Bucket.S3Failure) =>
  failure.status === 507 || fullCodes.has(failure.code)
    ? new ArtifactStoreFailure({ reason: "NoSpace", cause: failure })
    : unavailable(failure)

const cutShort = unavailable("bytes of an artifact are missing: it may have been removed meanwhile")

/** The first and the last byte of each piece of a range. */
const piecesOf = (offset: number, length: number) =>
  Arr.makeBy(Math.ceil(length / piece), (index) => {
    const first = offset + index * piece
    return { first, last: Math.min(first + piece, offset + length) - 1 }
  })

const make = Effect.fnUntraced(function* (options: S3Bucket.S3Options) {
  const bucket = yield* S3Bucket.make(options)
  const { prefix = "" } = options
  yield* bucket.look

  const keyOf = (id: string) => `${prefix}${id}`
  const idOf = (key: string) => key.slice(prefix.length)

  const putWhole = Effect.fnUntraced(function* <E, R>(id: string, content: Stream.Stream<Uint8Array, E, R>) {
    const whole = Buffer.concat([...(yield* Stream.runCollect(content))])
    yield* Effect.mapError(bucket.put(keyOf(id), whole), failureOf)
    return whole.length
  })

  /** An upload that is aborted with its scope unless that ends well. */
  const upload = (id: string) =>
    Effect.acquireRelease(bucket.begin(keyOf(id)), (upload, exit) =>
      Exit.isSuccess(exit)
        ? Effect.void
        : bucket
            .abort(upload)
            .pipe(Effect.disconnect, Effect.interruptible, Effect.timeout(farewell), Effect.ignoreLogged)
    )

  const putParts = Effect.fnUntraced(function* <E, R>(id: string, content: Stream.Stream<Uint8Array, E, R>) {
    const begun = yield* Effect.mapError(upload(id), failureOf)
    const done = yield* Stream.zipWithIndex(Pieces.of(part)(content)).pipe(
      Stream.mapEffect(([bytes, index]) =>
        Effect.map(Effect.mapError(bucket.putPart(begun, index + 1, bytes), failureOf), (part) => ({
          part,
          size: bytes.length
        }))
      ),
      Stream.runCollect,
      Effect.map(Arr.fromIterable)
    )
    const size = done.reduce((sum, { size }) => sum + size, 0)
    const parts = done.map(({ part }) => part)
    yield* Effect.mapError(bucket.complete(begun, parts, size), failureOf)
    return size
  }, Effect.scoped)

  /** Ends uploads that began too long ago. */
  const endUploads = (beginning: string, before: number) =>
    Stream.paginateEffect({}, (after: { readonly key?: string; readonly uploadId?: string }) =>
      Effect.map(
        bucket.listUploads(keyOf(beginning), after),
        ({ IsTruncated = false, NextKeyMarker, NextUploadIdMarker, Uploads = [] }) => {
          const last = Uploads.at(-1)
          const key = NextKeyMarker || last?.Key
          const uploadId = NextUploadIdMarker || last?.UploadId
          const next =
            IsTruncated && key !== undefined && uploadId !== undefined
              ? Option.some({ key, uploadId })
              : Option.none()
          return [Uploads, next] as const
        }
      )
    ).pipe(
      Stream.mapConcat((uploads) => uploads),
      Stream.filter(({ Initiated }) => Initiated !== undefined && Initiated.getTime() < before),
      Stream.runForEach(({ Key = "", UploadId = "" }) => bucket.abort({ key: Key, uploadId: UploadId }))
    )

  const oldObjects = (beginning: string, before: number) =>
    Stream.paginateEffect(Option.none<string>(), (token) =>
      Effect.map(bucket.list(keyOf(beginning), Option.getOrUndefined(token)), (page) => {
        const old = (page.Contents ?? []).filter(
          ({ LastModified }) => LastModified !== undefined && LastModified.getTime() < before
        )
        const next = Option.map(Option.fromNullable(page.NextContinuationToken), Option.some)
        return [old.map(({ Key = "" }) => idOf(Key)), next] as const
      })
    )

  return ArtifactBlobs.of({
    write: (id, size, content) => (size <= part ? putWhole(id, content) : putParts(id, content)),
    read: (id, offset, length) =>
      Stream.fromIterable(piecesOf(offset, length)).pipe(
        Stream.mapEffect(({ first, last }) =>
          Effect.filterOrFail(
            Effect.mapError(bucket.get(keyOf(id), first, last), failureOf),
            (bytes) => bytes.length === last - first + 1,
            () => cutShort
          )
        )
      ),
    remove: (ids) =>
      Effect.forEach(Arr.chunksOf(ids.map(keyOf), keysAtOnce), (keys) => bucket.remove(keys), {
        discard: true
      }).pipe(Effect.mapError(failureOf)),
    old: (beginning) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const before = (yield* Clock.currentTimeMillis) - Duration.toMillis(oldAge)
          yield* endUploads(beginning, before)
          return oldObjects(beginning, before)
        })
      ).pipe(Stream.mapError(failureOf))
  })
})

/**
 * The bytes of artifacts in a bucket of any store that speaks the S3 protocol, each as an object. What is larger than
 * 8 MiB is sent in parts of that. Each request has 30 s, and is tried 5 times. Fails when the bucket cannot be used.
 */
export const layer = (options: S3Bucket.S3Options): Layer.Layer<ArtifactBlobs, S3Bucket.S3Failure> =>
  Layer.scoped(ArtifactBlobs, make(options))
