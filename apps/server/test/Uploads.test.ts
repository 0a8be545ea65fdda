import { createHash } from "node:crypto"
import { readdirSync, statSync } from "node:fs"
import { request } from "node:http"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const megabyte = 1_048_576

const filesIn = (directory: string) =>
  readdirSync(join(directory, "uploads"), { recursive: true, encoding: "utf8" }).filter((name) =>
    // It may go while it is looked at.
    statSync(join(directory, "uploads", name), { throwIfNoEntry: false })?.isFile()
  )

const listing = [
  "import hashlib, os",
  "names = [os.path.join(d, f) for d, _, fs in os.walk('.') for f in fs]",
  "names = sorted(n for n in names if not n.endswith('main.py'))",
  "print(len(names), sum(map(os.path.getsize, names)))",
  "print(hashlib.sha256(b''.join(open(n, 'rb').read() for n in names)).hexdigest())"
].join("\n")

const form = (parts: ReadonlyArray<readonly [string, string | Blob, string?]>) => {
  const data = new FormData()
  for (const [name, value, path] of parts)
    typeof value === "string" ? data.append(name, value) : data.append(name, value, path)
  return data
}

const send = (path: string, body: FormData) => Caller.fetchJson(path, { method: "POST", body })

const sha256 = (...contents: ReadonlyArray<Uint8Array | string>) =>
  contents.reduce((hash, content) => hash.update(content), createHash("sha256")).digest("hex")

describe("files that a request brings", () => {
  layer(ServerProcess.layer(), { timeout: "120 seconds" })((it) => {
    it.effect("may be 64 MB in a form", () =>
      Effect.gen(function* () {
        const large = new Uint8Array(64 * megabyte).fill(7)
        large[megabyte] = 8
        const { body, status } = yield* send(
          "/api/execute",
          form([
            ["request", JSON.stringify({ code: listing, userId: "ann" })],
            ["file", new Blob([large]), "data/large.bin"]
          ])
        )
        assert.strictEqual(status, 200, JSON.stringify(body))
        assert.strictEqual(body.stdout, `1 ${large.length}\n${sha256(large)}\n`)
        const started = (yield* Caller.logs(body.executionId)).find(
          ({ event }) => event === "execution_started"
        )
        assert.deepInclude(started?.data, {
          files: 1,
          fileBytes: large.length,
          fileList: [{ path: "data/large.bin", bytes: large.length, sha256: sha256(large) }]
        })
        assert.strictEqual((yield* Caller.get("/api/sandbox/metrics")).uploadBytes, 0)
      })
    )

    it.effect(
      "may be a thousand in a form or in JSON, in JSON also one of 7,200,000 characters",
      () =>
        Effect.gen(function* () {
          const names = Array.from({ length: 1000 }, (_, index) => `f${String(index).padStart(3, "0")}`)
          const inForm = yield* send(
            "/api/execute",
            form([["code", listing], ...names.map((name) => ["file", new Blob([name]), name] as const)])
          )
          assert.strictEqual(inForm.body.stdout, `1000 4000\n${sha256(...names)}\n`)
          const inJson = yield* Caller.execute({
            code: listing,
            files: names.map((name) => ({ path: name, content: name }))
          })
          assert.strictEqual(inJson.stdout, inForm.body.stdout)
          const csv = "1,2,é\n".repeat(1_200_000)
          const { stdout } = yield* Caller.execute({
            code: listing,
            files: [{ path: "a.csv", content: csv }]
          })
          assert.strictEqual(stdout, `1 ${Buffer.byteLength(csv)}\n${sha256(csv)}\n`)
          const { body, status } = yield* Caller.post({
            code: listing,
            files: [...names, "one more"].map((path) => ({ path, content: "" }))
          })
          assert.deepStrictEqual(
            [status, body.error.message],
            [400, "files: expected at most 1000 files, got 1001"]
          )
        }),
      // Some ten seconds on a machine that does nothing else.
      90_000
    )

    it.effect("may be one that was sent before, of the same user, as long as it is kept", () =>
      Effect.gen(function* () {
        const sent = yield* send("/api/files?userId=ann", form([["file", new Blob(["data"]), "a"]]))
        const { fileId } = sent.body
        const run = (userId: string, key?: string) =>
          Caller.post({
            code: "print(open('x/data').read())",
            userId,
            files: [{ path: "x/data", fileId }],
            ...(key === undefined ? {} : { idempotencyKey: key })
          } as never)
        const first = yield* run("ann", "key")
        assert.strictEqual(first.body.stdout, "data\n")
        // The same file in a form asks for the same, and so is given the same.
        const again = yield* send(
          "/api/execute",
          form([
            ["code", "print(open('x/data').read())"],
            ["userId", "ann"],
            ["idempotencyKey", "key"],
            ["file", new Blob(["data"]), "x/data"]
          ])
        )
        assert.strictEqual(again.body.executionId, first.body.executionId)
        const other = yield* run("bob")
        yield* Caller.fetchJson(`/api/files/${fileId}?userId=ann`, { method: "DELETE" })
        const gone = yield* run("ann")
        for (const { body, status } of [other, gone]) {
          assert.strictEqual(status, 400)
          assert.match(body.error.message, /^files\.0\.fileId: expected the id of a file/)
        }
        assert.strictEqual(other.body.error.message, gone.body.error.message)
      })
    )
  })
})

/** Begins to send a file and stops in the midst of it. */
const half = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const sent = request(`${url}/api/execute`, {
        method: "POST",
        headers: { "content-type": "multipart/form-data; boundary=b", "content-length": 10 * megabyte }
      })
      sent.on("error", () => undefined)
      sent.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
      sent.write(Buffer.alloc(megabyte))
      return sent
    }),
    (sent) => Effect.sync(() => sent.destroy())
  )

const until = (directory: string, count: number) =>
  Effect.sync(() => filesIn(directory).length).pipe(
    Effect.repeat({ until: (found) => found === count, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("20 seconds"),
    Effect.orDie
  )

it.scopedLive(
  "nothing stays of an upload that is broken off, by its sender or by kill -9; what was kept does",
  () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const settings = { SANDBOX_DATA_DIR: directory }
      const first = yield* ServerProcess.start(settings)
      const kept = yield* Effect.provideService(
        send("/api/files", form([["file", new Blob(["kept"]), "a.txt"]])),
        ServerProcess.ServerProcess,
        first
      )
      yield* until(directory, 2)
      const broken = yield* half(first.url)
      yield* until(directory, 3)
      broken.destroy()
      yield* until(directory, 2)
      yield* half(first.url)
      yield* until(directory, 3)
      yield* first.kill("SIGKILL")
      yield* first.ended
      assert.strictEqual(filesIn(directory).length, 3)
      const second = yield* ServerProcess.start(settings)
      assert.strictEqual(filesIn(directory).length, 2)
      const { body } = yield* Effect.provideService(
        Caller.fetchJson(`/api/files/${kept.body.fileId}`),
        ServerProcess.ServerProcess,
        second
      )
      assert.deepStrictEqual(body, kept.body)
    }),
  90_000
)
