import { ArtifactBlobs } from "@bulkhead/artifacts"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, Redacted, Stream, TestClock } from "effect"
import { S3ArtifactBlobs } from "../src/index.js"
import * as FaultyProxy from "./FaultyProxy.js"

const size = 9 * 1_048_576

const build = (endpoint: string) =>
  Effect.map(
    Layer.build(
      S3ArtifactBlobs.layer({
        bucket: "bucket",
        endpoint,
        pathStyle: true,
        credentials: { accessKeyId: "id", secretAccessKey: Redacted.make("secret") }
      })
    ),
    Context.get(ArtifactBlobs)
  )

it.scoped("gives up a large file where the store takes connections and never answers", () =>
  Effect.gen(function* () {
    const store = yield* FaultyProxy.make("http://nowhere.invalid", (method) =>
      method === "HEAD" ? { status: 200 } : "hang"
    )
    const blobs = yield* build(store.endpoint)
    const writing = yield* Effect.forkDaemon(
      Effect.flip(blobs.write("own/a", size, Stream.make(new Uint8Array(size))))
    )
    const isOver = Effect.map(Fiber.poll(writing), Option.isSome)
    yield* Effect.repeat(Effect.zipRight(TestClock.adjust("10 seconds"), isOver), {
      until: (isIt) => isIt,
      times: 100
    })
    assert.isTrue(yield* isOver)
    assert.strictEqual((yield* Fiber.join(writing)).reason, "Unavailable")
  })
)
