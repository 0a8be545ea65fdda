import { randomUUID } from "node:crypto"
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client
} from "@aws-sdk/client-s3"
import { Effect, Redacted } from "effect"
import { inject } from "vitest"
import type { S3Options } from "../src/index.js"

export const server = inject("s3")

export const secretKey = "secret"

const endpoint = "endpoint" in server ? server.endpoint : ""

const client = Effect.acquireRelease(
  Effect.sync(
    () =>
      new S3Client({
        endpoint,
        region: "us-east-1",
        forcePathStyle: true,
        credentials: { accessKeyId: "test:tester", secretAccessKey: secretKey }
      })
  ),
  (client) => Effect.sync(() => client.destroy())
)

/** An empty bucket, with what is needed to use it. */
export const make = Effect.gen(function* () {
  const bucket = `b${randomUUID()}`
  yield* Effect.flatMap(client, (client) =>
    Effect.promise(() => client.send(new CreateBucketCommand({ Bucket: bucket })))
  )
  return {
    bucket,
    prefix: "artifacts/",
    endpoint,
    pathStyle: true,
    credentials: { accessKeyId: "test:tester", secretAccessKey: Redacted.make(secretKey) }
  } satisfies S3Options
}).pipe(Effect.scoped, Effect.orDie)

/** The names of all objects of a bucket, and of the uploads that have begun. */
export const contentsOf = (bucket: string) =>
  Effect.gen(function* () {
    const s3 = yield* client
    const objects = yield* Effect.promise(() => s3.send(new ListObjectsV2Command({ Bucket: bucket })))
    const uploads = yield* Effect.promise(() => s3.send(new ListMultipartUploadsCommand({ Bucket: bucket })))
    return {
      objects: (objects.Contents ?? []).map(({ Key }) => Key),
      uploads: (uploads.Uploads ?? []).map(({ Key }) => Key)
    }
  }).pipe(Effect.scoped)
