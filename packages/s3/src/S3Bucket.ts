import { createHash } from "node:crypto"
import * as S3 from "@aws-sdk/client-s3"
import { Array as Arr, Duration, Effect, Option, Predicate, Redacted, Schedule, Schema } from "effect"

export interface S3Options {
  readonly bucket: string
  /** With what the names of all objects begin. Default: nothing. */
  readonly prefix?: string
  /** Like `https://s3.example.com`. Default: Amazon's, by the region. */
  readonly endpoint?: string
  /** Default `us-east-1`. */
  readonly region?: string
  /** Whether the bucket's name is in the path instead of the host's name. Default false. */
  readonly pathStyle?: boolean
  /** Default: what the AWS SDK finds, such as the role of the machine or of the pod. */
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: Redacted.Redacted
    readonly sessionToken?: Redacted.Redacted
  }
}

/** What a store answered to a request, or why there was no answer. Has nothing of the request but its name. */
export class S3Failure extends Schema.TaggedError<S3Failure>()("S3Failure", {
  /** Like `PutObject`. */
  operation: Schema.String,
  /** S3's name of the error, like `NoSuchKey`, or the system's, like `ECONNREFUSED`. */
  code: Schema.String,
  /** Of HTTP; absent where there was no answer. */
  status: Schema.optional(Schema.Number),
  message: Schema.String
}) {
  /** Whether the same request may fare better. */
  get isPassing(): boolean {
    return this.status === undefined || this.status >= 500 || this.status === 429 || this.status === 408
  }
}

/** Longest time for one request and its answer: 8 MiB at 0.3 MB/s. */
const bound = Duration.seconds(30)

/** 0.2 s, 0.4 s, … apart, each a little more or less, so that servers do not come back together. */
const retries = Schedule.jittered(Schedule.exponential("200 millis")).pipe(
  Schedule.intersect(Schedule.recurs(4))
)

const statusOf = (error: unknown) =>
  Predicate.hasProperty(error, "$metadata") && Predicate.hasProperty(error.$metadata, "httpStatusCode")
    ? Number(error.$metadata.httpStatusCode)
    : undefined

const codeOf = (error: Error) => (Predicate.hasProperty(error, "code") ? String(error.code) : error.name)

const failureOf = (operation: string) => (cause: unknown) => {
  const error = cause instanceof Error ? cause : new Error(String(cause))
  const status = statusOf(error)
  return new S3Failure({
    operation,
    code: codeOf(error),
    message: error.message,
    ...(status !== undefined && { status })
  })
}

const silent = (operation: string) =>
  new S3Failure({ operation, code: "Timeout", message: `no answer within ${Duration.format(bound)}` })

/** A request with a checksum that many stores want for this, and that Amazon takes in the place of its own. */
const withMd5 = (command: S3.DeleteObjectsCommand) => {
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string>; body: string }
      for (const name of Object.keys(request.headers).filter((name) => /checksum/i.test(name)))
        delete request.headers[name]
      request.headers["content-md5"] = createHash("md5").update(request.body).digest("base64")
      return next(args)
    },
    { step: "build", priority: "low", name: "contentMd5" }
  )
  return command
}

const clientOf = ({ credentials, endpoint, pathStyle = false, region = "us-east-1" }: S3Options) =>
  new S3.S3Client({
    region,
    forcePathStyle: pathStyle,
    // Retries are Effect's.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 5000 },
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials !== undefined && {
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: Redacted.value(credentials.secretAccessKey),
        ...(credentials.sessionToken && { sessionToken: Redacted.value(credentials.sessionToken) })
      }
    })
  })

/** An upload in parts that has begun. */
export interface Upload {
  readonly key: string
  readonly uploadId: string
}

/** What S3 needs to know of a part that is there. */
export type Part = S3.CompletedPart

/** The requests of the S3 protocol that artifacts need, each with its bound and its retries. */
export const make = Effect.fnUntraced(function* (options: S3Options) {
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => clientOf(options)),
    (client) => Effect.sync(() => client.destroy())
  )
  const { bucket: Bucket } = options

  const request = <A>(operation: string, send: (options: { abortSignal: AbortSignal }) => Promise<A>) =>
    Effect.tryPromise({
      try: (abortSignal) => send({ abortSignal }),
      catch: failureOf(operation)
    }).pipe(
      // An upload begins and is aborted where nothing can be interrupted, but for this bound.
      Effect.interruptible,
      Effect.timeoutFail({ duration: bound, onTimeout: () => silent(operation) }),
      Effect.retry({ schedule: retries, while: ({ isPassing }) => isPassing }),
      Effect.withSpan(`S3.${operation}`)
    )

  const sizeOf = (Key: string) =>
    Effect.map(
      request("HeadObject", (options) => client.send(new S3.HeadObjectCommand({ Bucket, Key }), options)),
      ({ ContentLength }) => ContentLength
    )

  return {
    /** Fails where there is no such bucket, or it may not be used. */
    look: request("HeadBucket", (options) => client.send(new S3.HeadBucketCommand({ Bucket }), options)),

    put: (Key: string, Body: Uint8Array) =>
      request("PutObject", (options) =>
        client.send(new S3.PutObjectCommand({ Bucket, Key, Body, ChecksumAlgorithm: "SHA256" }), options)
      ),

    begin: (key: string) =>
      request("CreateMultipartUpload", (options) =>
        client.send(
          new S3.CreateMultipartUploadCommand({ Bucket, Key: key, ChecksumAlgorithm: "SHA256" }),
          options
        )
      ).pipe(Effect.map(({ UploadId = "" }): Upload => ({ key, uploadId: UploadId }))),

    /** @param PartNumber From 1. */
    putPart: ({ key, uploadId }: Upload, PartNumber: number, Body: Uint8Array) =>
      request("UploadPart", (options) =>
        client.send(
          new S3.UploadPartCommand({
            Bucket,
            Key: key,
            UploadId: uploadId,
            PartNumber,
            Body,
            ChecksumAlgorithm: "SHA256"
          }),
          options
        )
      ).pipe(Effect.map(({ ChecksumSHA256, ETag }): Part => ({ PartNumber, ETag, ChecksumSHA256 }))),

    /** Whose answer was lost, it is done: then the object is there. */
    complete: ({ key, uploadId }: Upload, Parts: Array<Part>, size: number) =>
      Effect.asVoid(
        request("CompleteMultipartUpload", (options) =>
          client.send(
            new S3.CompleteMultipartUploadCommand({
              Bucket,
              Key: key,
              UploadId: uploadId,
              MultipartUpload: { Parts }
            }),
            options
          )
        )
      ).pipe(
        Effect.catchIf(
          ({ code }) => code === "NoSuchUpload",
          (failure) =>
            Effect.asVoid(
              Effect.filterOrFail(
                sizeOf(key),
                (found) => found === size,
                () => failure
              )
            )
        )
      ),

    abort: ({ key, uploadId }: Upload) =>
      Effect.asVoid(
        request("AbortMultipartUpload", (options) =>
          client.send(new S3.AbortMultipartUploadCommand({ Bucket, Key: key, UploadId: uploadId }), options)
        )
      ).pipe(
        Effect.catchIf(
          ({ code }) => code === "NoSuchUpload",
          () => Effect.void
        )
      ),

    get: (Key: string, first: number, last: number) =>
      request("GetObject", async (options) => {
        const { Body } = await client.send(
          new S3.GetObjectCommand({ Bucket, Key, Range: `bytes=${first}-${last}` }),
          options
        )
        return Body === undefined ? new Uint8Array() : Body.transformToByteArray()
      }),

    /** Removes up to 1000 objects; no failure where some are not there. */
    remove: (keys: ReadonlyArray<string>) =>
      request("DeleteObjects", (options) =>
        client.send(
          withMd5(
            new S3.DeleteObjectsCommand({
              Bucket,
              Delete: { Quiet: true, Objects: keys.map((Key) => ({ Key })) }
            })
          ),
          options
        )
      ).pipe(
        Effect.flatMap(({ Errors = [] }) =>
          Option.match(Arr.head(Errors), {
            onNone: () => Effect.void,
            onSome: ({ Code = "Unknown", Message = "an object could not be removed" }) =>
              new S3Failure({ operation: "DeleteObjects", code: Code, message: Message })
          })
        )
      ),

    /** A page of the objects whose names begin so. */
    list: (Prefix: string, ContinuationToken?: string) =>
      request("ListObjectsV2", (options) =>
        client.send(new S3.ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }), options)
      ),

    /** A page of the uploads in parts that are neither completed nor aborted. */
    listUploads: (Prefix: string, after: { readonly key?: string; readonly uploadId?: string } = {}) =>
      request("ListMultipartUploads", (options) =>
        client.send(
          new S3.ListMultipartUploadsCommand({
            Bucket,
            Prefix,
            KeyMarker: after.key,
            UploadIdMarker: after.uploadId
          }),
          options
        )
      )
  }
})
