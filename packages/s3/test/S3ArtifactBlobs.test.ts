import { ArtifactBlobs, ArtifactCatalog, ArtifactStore, CatalogArtifactStore } from "@bulkhead/artifacts"
import { ArtifactStoreConformance } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, Stream, TestClock } from "effect"
import { S3ArtifactBlobs, type S3Options } from "../src/index.js"
import * as Buckets from "./Buckets.js"
import * as FaultyProxy from "./FaultyProxy.js"

const megabyte = 1_048_576
const piece = Uint8Array.from({ length: megabyte }, (_, index) => (index * 7) % 251)
const megabytes = (count: number) => Stream.fromIterable(Array.from({ length: count }, () => piece))

const build = (options: S3Options) =>
  Effect.map(Layer.build(S3ArtifactBlobs.layer(options)), Context.get(ArtifactBlobs))

const bytesOf = <E>(content: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(content), (pieces) => Buffer.concat([...pieces]))

const nothing = { objects: [], uploads: [] }

const isHere = "endpoint" in Buckets.server
const title = `A bucket${"missing" in Buckets.server ? `: skipped, ${Buckets.server.missing}` : ""}`

const catalog = ArtifactCatalog.layerMemory({ eachUser: ArtifactStoreConformance.sharedRoom })

const store = (options: S3Options) =>
  CatalogArtifactStore.layer().pipe(Layer.provide(S3ArtifactBlobs.layer(options)))

const two = Layer.scoped(
  ArtifactStoreConformance.SharedStores,
  Effect.gen(function* () {
    const options = yield* Buckets.make
    const shared = yield* Layer.build(catalog)
    const one = Effect.provide(Layer.build(store(options)), shared)
    const built = Effect.map(one, Context.get(ArtifactStore))
    return { one: yield* built, other: yield* built }
  })
)

describe.skipIf(!isHere)(title, () => {
  ArtifactStoreConformance.suite(
    "as the place of artifacts",
    Layer.unwrapEffect(Effect.map(Buckets.make, store)).pipe(Layer.provide(ArtifactCatalog.layerMemory()))
  )
  ArtifactStoreConformance.sharedSuite("of two servers", two)

  it.scopedLive("takes large files in parts, gives any part of them, and removes them", () =>
    Effect.gen(function* () {
      const options = yield* Buckets.make
      const blobs = yield* build(options)
      const size = 17 * megabyte
      assert.strictEqual(yield* blobs.write("own/a", size, megabytes(17)), size)
      assert.deepStrictEqual(yield* Buckets.contentsOf(options.bucket), {
        objects: ["artifacts/own/a"],
        uploads: []
      })
      const whole = yield* bytesOf(blobs.read("own/a", 0, size))
      assert.isTrue(whole.equals(Buffer.concat(Array.from({ length: 17 }, () => piece))))
      const range = yield* bytesOf(blobs.read("own/a", 8 * megabyte - 5, 10))
      assert.isTrue(range.equals(whole.subarray(8 * megabyte - 5, 8 * megabyte + 5)))
      const beyond = yield* Effect.flip(bytesOf(blobs.read("own/a", size - 1, 2)))
      assert.strictEqual(beyond.reason, "Unavailable")
      yield* blobs.remove(["own/a", "own/none"])
      assert.deepStrictEqual(yield* Buckets.contentsOf(options.bucket), nothing)
    })
  )

  it.scopedLive("has nothing left of a large file that was interrupted or failed", () =>
    Effect.gen(function* () {
      const options = yield* Buckets.make
      const blobs = yield* build(options)
      const isRead = yield* Deferred.make<void>()
      const stuck = Stream.concat(
        megabytes(9),
        Stream.fromEffect(Effect.zipRight(Deferred.succeed(isRead, undefined), Effect.never))
      )
      const writing = yield* Effect.fork(blobs.write("own/a", 20 * megabyte, stuck))
      yield* Deferred.await(isRead)
      assert.deepInclude(yield* Buckets.contentsOf(options.bucket), { uploads: ["artifacts/own/a"] })
      yield* Fiber.interrupt(writing)
      const broken = Stream.concat(megabytes(9), Stream.fail("broken"))
      assert.strictEqual(yield* Effect.flip(blobs.write("own/b", 20 * megabyte, broken)), "broken")
      assert.deepStrictEqual(yield* Buckets.contentsOf(options.bucket), nothing)
    })
  )

  it.scoped("gives what is old, page by page, and ends uploads that are, of its own alone", () =>
    Effect.gen(function* () {
      const options = yield* Buckets.make
      const blobs = yield* build(options)
      const ids = Array.from({ length: 4 }, (_, index) => `own/${index}`)
      yield* Effect.forEach([...ids, "others/1"], (id) => blobs.write(id, 1, Stream.make(piece)))
      const dead = yield* FaultyProxy.make(options.endpoint, (method, url) =>
        (method === "PUT" && url.includes("partNumber=2")) || method === "DELETE" ? { status: 400 } : "pass"
      )
      const dying = yield* build({ ...options, endpoint: dead.endpoint })
      for (const id of ["own/dead", "others/dead"])
        yield* Effect.ignore(dying.write(id, 20 * megabyte, megabytes(17)))
      const uploads = ["artifacts/others/dead", "artifacts/own/dead"]
      assert.deepInclude(yield* Buckets.contentsOf(options.bucket), { uploads })

      const old = Effect.map(Stream.runCollect(blobs.old("own/")), (pages) => [...pages].flat())
      yield* TestClock.setTime(yield* Effect.sync(() => Date.now()))
      assert.deepStrictEqual(yield* old, [])
      yield* TestClock.adjust("25 hours")
      assert.deepStrictEqual(yield* old, ids)
      assert.deepInclude(yield* Buckets.contentsOf(options.bucket), { uploads: ["artifacts/others/dead"] })
    })
  )

  it.scopedLive("is asked again where it fails for a moment, and is not where it refuses", () =>
    Effect.gen(function* () {
      const options = yield* Buckets.make
      let faults: Array<FaultyProxy.Fault> = []
      const proxy = yield* FaultyProxy.make(options.endpoint, () => faults.shift() ?? "pass")
      const blobs = yield* build({ ...options, endpoint: proxy.endpoint })
      faults = [{ status: 503 }, "loseAnswer"]
      assert.strictEqual(yield* blobs.write("own/a", megabyte, megabytes(1)), megabyte)
      faults = [{ status: 500 }]
      assert.strictEqual((yield* bytesOf(blobs.read("own/a", 0, 10))).length, 10)
      faults = [{ status: 503 }]
      yield* blobs.remove(["own/a"])
      proxy.requests.length = 0
      faults = [{ status: 403 }]
      const refused = yield* Effect.flip(blobs.write("own/b", megabyte, megabytes(1)))
      assert.deepInclude(refused, { _tag: "ArtifactStoreFailure", reason: "Unavailable" })
      faults = [{ status: 507 }, { status: 507 }, { status: 507 }, { status: 507 }, { status: 507 }]
      const full = yield* Effect.flip(blobs.write("own/b", megabyte, megabytes(1)))
      assert.strictEqual(full.reason, "NoSpace")
      assert.lengthOf(proxy.requests, 6)
    })
  )

  it.scopedLive("has a file whose last answer was lost", () =>
    Effect.gen(function* () {
      const options = yield* Buckets.make
      let isLost = false
      const proxy = yield* FaultyProxy.make(options.endpoint, (method, url) => {
        const isCompletion = method === "POST" && url.includes("uploadId=")
        if (!isCompletion || isLost) return "pass"
        isLost = true
        return "loseAnswer"
      })
      const blobs = yield* build({ ...options, endpoint: proxy.endpoint })
      yield* blobs.write("own/a", 9 * megabyte, megabytes(9))
      assert.isTrue(isLost)
      assert.lengthOf(yield* bytesOf(blobs.read("own/a", 0, 9 * megabyte)), 9 * megabyte)
    })
  )

  it.scopedLive("is refused when it may not be used, in words without a secret", () =>
    Effect.gen(function* () {
      const options = yield* Buckets.make
      const credentials = { accessKeyId: "test:tester", secretAccessKey: Redacted.make("hidden-words") }
      const exit = yield* Effect.exit(build({ ...options, credentials }))
      const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
      const [failure] = [...Cause.failures(cause)]
      assert.deepInclude(failure, { _tag: "S3Failure", operation: "HeadBucket", status: 403 })
      assert.notMatch(`${Cause.pretty(cause)} ${JSON.stringify(cause)}`, /hidden-words|Signature=/)
      const none = yield* Effect.flip(build({ ...options, bucket: `${options.bucket}x` }))
      assert.deepInclude(none, { operation: "HeadBucket", status: 404 })
    })
  )
})
