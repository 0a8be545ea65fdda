import { hash } from "node:crypto"
import { defaultLimits } from "@bulkhead/domain"
import { MemoryUploads } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { aliceKey, asAdmin, bearer, callerKeys, json, send } = TestServer
const asAlice = bearer(aliceKey)
const asBob = bearer("the-key-of-bob")

const serve = (settings: Parameters<typeof TestServer.layer>[1] = { callerKeys }) =>
  Effect.provide(
    Layer.provide(
      TestServer.layer(
        Stub.layer({ limits: Effect.succeed({ ...defaultLimits, maxUploadMB: 1 }) }),
        settings
      ),
      MemoryUploads.layer()
    )
  )

const raw = (
  query: string,
  headers: Readonly<Record<string, string>> = asAlice,
  body: NonNullable<RequestInit["body"]> = "1,2"
) =>
  send(`/api/files${query}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream", ...headers },
    body
  })

const status = ({ status }: TestServer.Answer) => status

describe("a file that is sent by itself", () => {
  it.effect("is kept under an id, whether it is the body or in a form", () =>
    Effect.gen(function* () {
      const answer = yield* raw("?name=data/a.csv")
      assert.strictEqual(answer.status, 201)
      const upload = json(answer)
      assert.deepStrictEqual(Object.keys(upload).toSorted(), [
        "bytes",
        "expiresAt",
        "fileId",
        "name",
        "sha256"
      ])
      assert.include(upload, { name: "data/a.csv", bytes: 3, sha256: hash("sha256", "1,2") })
      assert.match(upload.fileId, /^file_[0-9a-f]{32}$/)
      assert.strictEqual(upload.expiresAt, 86_400_000)
      const form = new FormData()
      form.append("file", new Blob(["3"]), "b.csv")
      const second = yield* send("/api/files", { method: "POST", headers: asAlice, body: form })
      assert.strictEqual(second.status, 201)
      assert.deepStrictEqual(json(yield* send("/api/files", { headers: asAlice })), {
        files: [upload, json(second)]
      })
      assert.deepStrictEqual(json(yield* send(`/api/files/${upload.fileId}`, { headers: asAlice })), upload)
      const gone = yield* send(`/api/files/${upload.fileId}`, { method: "DELETE", headers: asAlice })
      assert.deepStrictEqual([gone.status, json(gone)], [200, { success: true }])
      assert.strictEqual(
        status(yield* send(`/api/files/${upload.fileId}`, { method: "DELETE", headers: asAlice })),
        404
      )
    }).pipe(serve())
  )

  it.effect("is its owner's alone", () =>
    Effect.gen(function* () {
      const { fileId } = json(yield* raw("?name=a"))
      const path = `/api/files/${fileId}`
      for (const method of ["GET", "DELETE"]) {
        const others = yield* send(path, { method, headers: asBob })
        const unknown = yield* send(`/api/files/file_${"0".repeat(32)}`, { method, headers: asAlice })
        const malformed = yield* send("/api/files/x", { method, headers: asAlice })
        assert.deepStrictEqual([others.status, unknown.status, malformed.status], [404, 404, 404])
        assert.strictEqual(others.text, unknown.text)
        // A key goes before a name.
        assert.strictEqual(status(yield* send(`${path}?userId=alice`, { method, headers: asBob })), 404)
        assert.strictEqual(status(yield* send(path, { method })), 401)
        assert.strictEqual(status(yield* send(path, { method, headers: asAdmin })), 401)
      }
      assert.deepStrictEqual(json(yield* send("/api/files", { headers: asBob })), { files: [] })
      assert.strictEqual(status(yield* send(path, { headers: asAlice })), 200)
    }).pipe(serve())
  )

  it.effect("is the named user's where there are no keys", () =>
    Effect.gen(function* () {
      const { fileId } = json(yield* raw("?name=a&userId=ann", {}))
      assert.strictEqual(status(yield* send(`/api/files/${fileId}`)), 404)
      assert.strictEqual(status(yield* send(`/api/files/${fileId}?userId=ann`)), 200)
      assert.strictEqual(status(yield* raw("?name=a", { origin: "https://evil.example" })), 403)
    }).pipe(serve({}))
  )

  it.effect("is refused when it is too much, or not said what it is", () =>
    Effect.gen(function* () {
      const form = (entries: ReadonlyArray<readonly [string, string | Blob]>) => {
        const data = new FormData()
        for (const [name, value] of entries) data.append(name, value)
        return send("/api/files", { method: "POST", headers: asAlice, body: data })
      }
      const blob = new Blob(["1"])
      const answers = [
        yield* raw("?name=a", asAlice, new Uint8Array(1_048_577)),
        yield* raw("", asAlice),
        yield* raw("?name=../a", asAlice),
        yield* raw("?name=a&x=1", asAlice),
        yield* raw("?name=a", { ...asAlice, "content-type": "text/plain" }),
        yield* raw("?name=a", { ...asAlice, "content-encoding": "gzip" }),
        yield* form([
          ["a", blob],
          ["b", blob]
        ]),
        yield* form([["a", "text"]]),
        yield* raw("?name=a", { ...asAlice, "content-type": "multipart/form-data" })
      ]
      assert.deepStrictEqual(answers.map(status), [413, 400, 400, 400, 415, 415, 400, 400, 400])
      for (const answer of answers) assert.strictEqual(json(answer).success, false)
      const messages = answers.map((answer) => json(answer).error.message)
      assert.include(messages, "body: expected one file, in a part with a file name")
      assert.deepStrictEqual(json(yield* send("/api/files", { headers: asAlice })), { files: [] })
    }).pipe(serve())
  )
})
