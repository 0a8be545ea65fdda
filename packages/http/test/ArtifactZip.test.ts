import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { get } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ArtifactStore } from "@bulkhead/artifacts"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Logger, Option, Ref, Stream } from "effect"
import * as ArtifactZip from "../src/artifacts/ArtifactZip.js"
import * as StubArtifacts from "./StubArtifactStore.js"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { json, send } = TestServer

const of = `/api/executions/${Stub.executionId}`

const serve = (
  files: Readonly<Record<string, string>>,
  store: Layer.Layer<ArtifactStore> = StubArtifacts.layer(files)
) =>
  Effect.provide(
    TestServer.layer(
      Stub.layer({ getExecution: () => Effect.succeed(StubArtifacts.recordOf(files)) }),
      {},
      store
    )
  )

/** The names and contents in a zip, as Python reads them, which also checks the sums. */
const unzipped = (zip: Uint8Array): Readonly<Record<string, string>> => {
  const directory = mkdtempSync(join(tmpdir(), "bulkhead-zip-"))
  const path = join(directory, "a.zip")
  writeFileSync(path, zip)
  const script =
    "import json, sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); " +
    "print(json.dumps({i.filename: z.read(i).decode() for i in z.infolist()}))"
  const said = execFileSync("python3", ["-c", script, path], { encoding: "utf8" })
  rmSync(directory, { recursive: true })
  return JSON.parse(said)
}

const download = Effect.flatMap(TestServer.TestServer, ({ url }) =>
  Effect.promise(async () => {
    const response = await fetch(`${url}${of}/artifacts.zip`)
    return { headers: response.headers, zip: new Uint8Array(await response.arrayBuffer()) }
  })
)

describe("the artifacts of an execution", () => {
  const files = { "a.txt": "0123456789", "plots/50% ü;.txt": "", "plots/b.txt": "b".repeat(100_000) }

  it.effect("are listed, each with an address at which it is", () =>
    Effect.gen(function* () {
      const { artifacts } = json(yield* send(`${of}/artifacts`))
      assert.deepStrictEqual(
        artifacts.map(({ name, size, url }: { name: string; size: number; url: string }) => [
          name,
          size,
          url
        ]),
        [
          ["a.txt", 10, `${of}/artifacts/a.txt`],
          ["plots/50% ü;.txt", 0, `${of}/artifacts/plots%2F50%25%20%C3%BC%3B.txt`],
          ["plots/b.txt", 100_000, `${of}/artifacts/plots%2Fb.txt`]
        ]
      )
      assert.match(artifacts[0].sha256, /^84d8/)
      assert.strictEqual(artifacts[0].mediaType, "text/plain; charset=utf-8")
      for (const { size, url } of artifacts) assert.lengthOf((yield* send(url)).text, size)
      assert.deepStrictEqual(json(yield* send(`${of}/artifacts/`)), { artifacts })
    }).pipe(serve(files))
  )

  it.effect("come as one zip, of the length that was said", () =>
    Effect.gen(function* () {
      const { headers, zip } = yield* download
      assert.strictEqual(headers.get("content-type"), "application/zip")
      assert.strictEqual(headers.get("content-length"), String(zip.length))
      assert.strictEqual(
        headers.get("content-disposition"),
        `attachment; filename="exec_1.zip"; filename*=UTF-8''exec_1.zip`
      )
      assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
      assert.deepStrictEqual(unzipped(zip), files)
      const head = yield* send(`${of}/artifacts.zip`, { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.text], [200, ""])
      assert.strictEqual(head.headers.get("content-length"), String(zip.length))
    }).pipe(serve(files))
  )

  it.effect("may be none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* send(`${of}/artifacts`)), { artifacts: [] })
      assert.deepStrictEqual(unzipped((yield* download).zip), {})
    }).pipe(serve({}))
  )

  it.effect("are not known before its end, nor when its result is gone", () =>
    Effect.gen(function* () {
      for (const path of [`${of}/artifacts`, `${of}/artifacts.zip`]) {
        const answer = yield* send(path)
        assert.strictEqual(answer.status, 404)
        assert.match(json(answer).error.message, /^The execution has not ended, or its result is no longer/)
        assert.strictEqual((yield* send(`${path}?x=1`)).status, 400)
      }
    }).pipe(
      Effect.provide(
        TestServer.layer(
          Stub.layer({
            getExecution: (executionId) =>
              Effect.succeed({ executionId, userId: TestServer.alice, state: "running", startedAt: 1 })
          })
        )
      )
    )
  )

  it.effect("are no zip when one of them is not there any more", () =>
    Effect.gen(function* () {
      const answer = yield* send(`${of}/artifacts.zip`)
      assert.strictEqual(answer.status, 404)
      assert.strictEqual(json(answer).error.message, "There is no such artifact")
    }).pipe(serve(files, StubArtifacts.layer({ "a.txt": "0123456789" })))
  )

  it.effect("are cut off, and not ended, when one of them cannot be read to its end", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* Effect.option(Effect.sandbox(download))))
    }).pipe(
      serve(
        files,
        StubArtifacts.of((_, name) =>
          Effect.succeedSome({
            size: files[name as keyof typeof files].length,
            content: Stream.concat(Stream.make(Buffer.from("01")), Stream.fail(StubArtifacts.failure))
          })
        )
      ),
      Effect.provide(Logger.remove(Logger.defaultLogger))
    )
  )
})

describe("a reader who goes away in the middle", () => {
  const size = 64 * 1024 * 1024
  const piece = new Uint8Array(65_536)

  it.live("leaves no file open, and the server reads no further", () =>
    Effect.gen(function* () {
      const opened = yield* Ref.make(0)
      const closed = yield* Effect.makeLatch()
      const read = yield* Ref.make(0)
      const content = Stream.acquireRelease(
        Ref.update(opened, (count) => count + 1),
        () => closed.open
      ).pipe(
        Stream.flatMap(() => Stream.repeatValue(piece)),
        Stream.take(size / piece.length),
        Stream.tap(() => Ref.update(read, (count) => count + 1)),
        Stream.rechunk(1)
      )
      const store = StubArtifacts.of(() => Effect.succeedSome({ size, content }))
      const record = StubArtifacts.recordOf({ "a.txt": "a", "b.txt": "b" })
      const artifacts = record.result?.artifacts.map((artifact) => ({ ...artifact, size })) ?? []
      const large = { ...record, ...(record.result && { result: { ...record.result, artifacts } }) }
      const goAway = Effect.flatMap(TestServer.TestServer, ({ url }) =>
        Effect.async<void>((resume) => {
          get(`${url}${of}/artifacts.zip`, (response) => {
            response.once("data", () => {
              response.destroy()
              resume(Effect.void)
            })
          })
        })
      )
      yield* goAway.pipe(
        Effect.zipRight(closed.await),
        Effect.provide(TestServer.layer(Stub.layer({ getExecution: () => Effect.succeed(large) }), {}, store))
      )
      assert.strictEqual(yield* Ref.get(opened), 1)
      assert.isBelow(yield* Ref.get(read), size / piece.length)
    })
  )
})

describe("the names in a zip", () => {
  it("are such that every system can unpack them, and stay different", () => {
    assert.deepStrictEqual(
      ArtifactZip.namesOf(["a:b.txt", "a_b.txt", "a?b.txt", "C:/x", "d/ü b.txt", "a_b (2).txt", 'a"b.txt']),
      ["a_b (3).txt", "a_b.txt", "a_b (4).txt", "C_/x", "d/ü b.txt", "a_b (2).txt", "a_b (5).txt"]
    )
    assert.deepStrictEqual(
      ArtifactZip.namesOf(["NUL", "d/con.txt", "aux.d/x", "console.txt", "a. ", "d./x", "com1.csv", ".x"]),
      ["_NUL", "d/_con.txt", "_aux.d/x", "console.txt", "a__", "d_/x", "_com1.csv", ".x"]
    )
  })
})
