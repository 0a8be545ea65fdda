import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Buckets from "../../../packages/s3/test/Buckets.js"
import { kinds, rowsOf } from "../../../packages/store/test/Databases.js"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const postgres = kinds.find(({ name }) => name === "PostgreSQL")
const hasS3 = "endpoint" in Buckets.server

const database = Effect.suspend(() =>
  Effect.map(Effect.orDie(postgres?.make ?? Effect.fail("no PostgreSQL")), ({ place }) => place)
)

type Settings = Readonly<Record<string, string>>

const of = (server: ServerProcess.ServerProcess["Type"]) =>
  Effect.provideService(ServerProcess.ServerProcess, server)

const size = 3_145_728
const code = `import os; open(os.environ['SANDBOX_OUTPUT_DIR'] + '/a b.txt', 'w').write('0123456789abcdef' * ${size / 16})`

const artifactBytes = Effect.map(
  Caller.get("/api/sandbox/metrics"),
  ({ artifactBytes }: { artifactBytes: number }) => artifactBytes
)

const until = <A, R>(effect: Effect.Effect<A, never, R>, isSo: (value: A) => boolean) =>
  effect.pipe(
    Effect.filterOrFail(isSo, () => "not yet" as const),
    Effect.retry({ times: 300, schedule: Schedule.spaced("100 millis") })
  )

/** An artifact of one server is another's too, until retention has removed it; then no byte of it is left. */
const promised = Effect.fnUntraced(function* <E>(settings: Settings, rest: Effect.Effect<number, E>) {
  const start = ServerProcess.start(settings)
  const [one, other] = yield* Effect.all([start, start], { concurrency: 2 })
  const result = yield* of(one)(Caller.execute({ code, userId: "ann" }))
  assert.deepStrictEqual(
    result.artifacts.map(({ name }) => name),
    ["a b.txt"]
  )
  const artifacts = `/api/executions/${result.executionId}/artifacts`
  const read = of(other)(Caller.download(`${artifacts}/a%20b.txt`))
  const first = yield* read
  const { content } = first
  assert.deepStrictEqual([first.status, content.length], [200, size])
  assert.strictEqual(content.subarray(-20).toString(), "cdef0123456789abcdef")
  const zip = yield* of(other)(Caller.download(`${artifacts}.zip`))
  assert.strictEqual(zip.status, 200)
  assert.isTrue(zip.content.includes(content), "the zip has no such file")
  assert.strictEqual(yield* of(other)(artifactBytes), size)
  assert.isAbove(yield* rest, 0)

  // Both look for what is too much as they start.
  const small = { ...settings, SANDBOX_RETENTION_MB: "1" }
  yield* Effect.all([ServerProcess.start(small), ServerProcess.start(small)], { concurrency: 2 })
  // Who reads at that moment is cut off.
  const status = Effect.map(read, ({ status }) => status)
  yield* until(
    Effect.catchAllDefect(status, () => Effect.succeed(0)),
    (status) => status === 404
  )
  yield* until(of(one)(artifactBytes), (bytes) => bytes === 0)
  yield* until(Effect.orDie(rest), (count) => count === 0)
  assert.strictEqual(yield* of(other)(artifactBytes), 0)
})

describe("artifacts of servers on one PostgreSQL", { timeout: 120_000 }, () => {
  it.scopedLive.skipIf(postgres === undefined)("are in the database", () =>
    Effect.gen(function* () {
      const DATABASE_URL = yield* database
      const chunks = rowsOf(DATABASE_URL, "artifact_chunks")
      yield* promised({ DATABASE_URL, SANDBOX_ARTIFACT_STORE: "database" }, chunks)
    })
  )

  it.scopedLive.skipIf(postgres === undefined || !hasS3)("are in a bucket", () =>
    Effect.gen(function* () {
      const { bucket, endpoint, prefix } = yield* Buckets.make
      const objects = Effect.map(Buckets.contentsOf(bucket), ({ objects }) => objects.length)
      yield* promised(
        {
          DATABASE_URL: yield* database,
          SANDBOX_ARTIFACT_STORE: "s3",
          SANDBOX_S3_BUCKET: bucket,
          SANDBOX_S3_PREFIX: prefix,
          SANDBOX_S3_ENDPOINT: endpoint,
          SANDBOX_S3_PATH_STYLE: "on",
          AWS_ACCESS_KEY_ID: "test:tester",
          AWS_SECRET_ACCESS_KEY: Buckets.secretKey
        },
        objects
      )
    })
  )

  it.scopedLive("are nowhere, where the bucket cannot be reached", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* ServerProcess.refused({
        SANDBOX_ARTIFACT_STORE: "s3",
        SANDBOX_S3_BUCKET: "abc",
        SANDBOX_S3_ENDPOINT: "http://127.0.0.1:1",
        AWS_ACCESS_KEY_ID: "a",
        AWS_SECRET_ACCESS_KEY: "hidden-words"
      })
      assert.strictEqual(code, 1)
      assert.match(stderr, /SANDBOX_S3_BUCKET: 'abc' cannot be used: HeadBucket: connection refused/)
      assert.notInclude(stderr, "hidden-words")
    })
  )
})
