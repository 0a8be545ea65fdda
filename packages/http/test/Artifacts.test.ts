import { request } from "node:http"
import { ArtifactStore, FileArtifactStore } from "@bulkhead/artifacts"
import { ByteRange, ExecutionNotFound } from "@bulkhead/domain"
import { StoreFailure } from "@bulkhead/sandbox"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Context, Deferred, Effect, Layer, Logger, Schema, Stream } from "effect"
import * as StubArtifacts from "./StubArtifactStore.js"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { executionId } = Stub
const { aliceKey, asAdmin, bearer, callerKeys, json, send } = TestServer

const text = "0123456789"
const files = { "data.txt": text, "empty.txt": "" }
const asAlice = bearer(aliceKey)
const asBob = bearer("the-key-of-bob")
const of = (name: string) => `/api/executions/${executionId}/artifacts/${name}`

const knowing = (files: Readonly<Record<string, string>>) =>
  Stub.layer({
    getExecution: (id) =>
      id === executionId
        ? Effect.succeed(StubArtifacts.recordOf(files))
        : Effect.fail(new ExecutionNotFound({ executionId: id }))
  })

const serve = (kept: Readonly<Record<string, string>> = files, settings = {}) =>
  Effect.provide(TestServer.layer(knowing(kept), settings, StubArtifacts.layer(kept)))

const serveWithKeys = serve(files, { callerKeys })

/** With a Host header of one's own, which fetch does not allow. */
const statusFor = (host: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(TestServer.TestServer, ({ url }) =>
    Effect.async<number | undefined>((resume) => {
      request(`${url}${of("data.txt")}`, { headers: { host, ...headers } }, (response) => {
        response.resume()
        resume(Effect.succeed(response.statusCode))
      }).end()
    })
  )

describe("an artifact", () => {
  it.effect("is sent whole, as nothing a browser would run", () =>
    Effect.gen(function* () {
      const { headers, status, text: body } = yield* send(of("data.txt"))
      assert.strictEqual(status, 200)
      assert.strictEqual(body, text)
      const expected = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": "10",
        "content-disposition": `attachment; filename="data.txt"; filename*=UTF-8''data.txt`,
        "x-content-type-options": "nosniff",
        "content-security-policy":
          "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "accept-ranges": "bytes",
        "cache-control": "private, no-store",
        etag: '"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"'
      }
      for (const [name, value] of Object.entries(expected)) assert.strictEqual(headers.get(name), value)
      assert.isNull(headers.get("content-range"))
      const empty = yield* send(of("empty.txt"))
      assert.deepStrictEqual([empty.status, empty.text], [200, ""])
      assert.strictEqual(empty.headers.get("content-length"), "0")
    }).pipe(serve())
  )

  it.effect("is sent in part when one range is asked for", () =>
    Effect.gen(function* () {
      const etag = (yield* send(of("data.txt"))).headers.get("etag") ?? ""
      const parts: ReadonlyArray<readonly [string, number, string, (string | null)?, string?]> = [
        ["bytes=0-0", 206, "0", "bytes 0-0/10"],
        ["bytes=2-4", 206, "234", "bytes 2-4/10"],
        ["Bytes=7-", 206, "789", "bytes 7-9/10"],
        ["bytes=-3", 206, "789", "bytes 7-9/10"],
        ["bytes=-99", 206, text, "bytes 0-9/10"],
        ["bytes=5-99", 206, "56789", "bytes 5-9/10"],
        ["bytes=2-4", 206, "234", "bytes 2-4/10", etag],
        ["bytes=2-4", 200, text, null, '"other"'],
        ["bytes=2-4", 200, text, null, "Wed, 21 Oct 2015 07:28:00 GMT"],
        ["bytes=4-2", 200, text],
        ["bytes=0-1,3-4", 200, text],
        ["bytes=-", 200, text],
        ["bytes=a-b", 200, text],
        ["lines=1-2", 200, text]
      ]
      for (const [range, status, body, contentRange = null, ifRange] of parts) {
        const headers = { range, ...(ifRange && { "if-range": ifRange }) }
        const answer = yield* send(of("data.txt"), { headers })
        assert.deepStrictEqual([answer.status, answer.text], [status, body], range)
        assert.strictEqual(answer.headers.get("content-range"), contentRange)
        assert.strictEqual(answer.headers.get("content-length"), String(body.length))
      }
      for (const [range, name, size] of [
        ["bytes=10-", "data.txt", 10],
        ["bytes=-0", "data.txt", 10],
        ["bytes=0-", "empty.txt", 0]
      ] as const) {
        const answer = yield* send(of(name), { headers: { range } })
        assert.strictEqual(answer.status, 416, range)
        assert.strictEqual(answer.headers.get("content-range"), `bytes */${size}`)
        assert.include(json(answer).error, { code: "INVALID_REQUEST" })
      }
    }).pipe(serve())
  )

  it.effect("is not sent again to who has it already", () =>
    Effect.gen(function* () {
      const etag = (yield* send(of("data.txt"))).headers.get("etag") ?? ""
      const known = [etag, `W/${etag}`, `"other", ${etag}`, `W/"other",${etag}`, "*"]
      for (const ifNoneMatch of known) {
        for (const method of ["GET", "HEAD"]) {
          const headers = { "if-none-match": ifNoneMatch, range: "bytes=99-" }
          const answer = yield* send(of("data.txt"), { method, headers })
          assert.deepStrictEqual([answer.status, answer.text], [304, ""], ifNoneMatch)
          assert.strictEqual(answer.headers.get("etag"), etag)
          assert.strictEqual(answer.headers.get("cache-control"), "private, no-store")
          assert.isNull(answer.headers.get("content-length"))
        }
      }
      for (const ifNoneMatch of ['"other"', etag.replaceAll('"', ""), '"*"', ""]) {
        const headers = { "if-none-match": ifNoneMatch, range: "bytes=0-1" }
        const answer = yield* send(of("data.txt"), { headers })
        assert.deepStrictEqual([answer.status, answer.text], [206, "01"], ifNoneMatch)
      }
      assert.strictEqual((yield* send(of("none.txt"), { headers: { "if-none-match": "*" } })).status, 404)
    }).pipe(serve())
  )

  it.effect("answers HEAD without its bytes, and without ranges", () =>
    Effect.gen(function* () {
      const answer = yield* send(of("data.txt"), { method: "HEAD", headers: { range: "bytes=1-2" } })
      assert.deepStrictEqual([answer.status, answer.text], [200, ""])
      assert.strictEqual(answer.headers.get("content-length"), "10")
      assert.strictEqual(answer.headers.get("accept-ranges"), "bytes")
      assert.strictEqual((yield* send(of("none.txt"), { method: "HEAD" })).status, 404)
    }).pipe(serve())
  )

  const names: ReadonlyArray<readonly [string, ReadonlyArray<string>, string]> = [
    [
      "a/b/c d.txt",
      ["a%2Fb%2Fc%20d.txt", "a/b/c%20d.txt", "a%2fb/c%20d.txt"],
      `"c d.txt"; filename*=UTF-8''c%20d.txt`
    ],
    ["50%.txt", ["50%25.txt"], `"50_.txt"; filename*=UTF-8''50%25.txt`],
    ["a%2Fb.txt", ["a%252Fb.txt"], `"a_2Fb.txt"; filename*=UTF-8''a%252Fb.txt`],
    [
      "a;b?c#d.txt",
      ["a%3Bb%3Fc%23d.txt", "a;b%3Fc%23d.txt"],
      `"a;b?c#d.txt"; filename*=UTF-8''a%3Bb%3Fc%23d.txt`
    ],
    [`"('*')".txt`, ["%22('*')%22.txt"], `"_('*')_.txt"; filename*=UTF-8''%22%28%27%2A%27%29%22.txt`],
    [
      "übung/日本.txt",
      ["%C3%BCbung/%E6%97%A5%E6%9C%AC.txt"],
      `"__.txt"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt`
    ],
    [
      `${"l".repeat(240)}/${"o".repeat(240)}/${"n".repeat(240)}/${"g".repeat(240)}.txt`,
      [`${"l".repeat(240)}/${"o".repeat(240)}/${"n".repeat(240)}/${"g".repeat(240)}.txt`],
      `"${"g".repeat(240)}.txt"; filename*=UTF-8''${"g".repeat(240)}.txt`
    ]
  ]
  for (const [name, spellings, disposition] of names) {
    it.effect(`may be called ${name.slice(0, 20)}`, () =>
      Effect.gen(function* () {
        for (const spelling of spellings) {
          const answer = yield* send(of(spelling))
          assert.deepStrictEqual([answer.status, answer.text], [200, text], spelling)
          assert.strictEqual(answer.headers.get("content-disposition"), `attachment; filename=${disposition}`)
        }
        assert.strictEqual((yield* send(`${of(spellings[0] ?? "")}?download=1`)).status, 200)
      }).pipe(serve({ [name]: text }))
    )
  }
})

describe("who may read an artifact", () => {
  it.effect("the execution's user, and the operator", () =>
    Effect.gen(function* () {
      for (const headers of [asAlice, asAdmin]) {
        const answer = yield* send(of("data.txt"), { headers })
        assert.deepStrictEqual([answer.status, answer.text], [200, text])
        assert.isNull(answer.headers.get("www-authenticate"))
      }
      assert.strictEqual(yield* statusFor("bulkhead.example", asAlice), 200)
    }).pipe(serveWithKeys)
  )

  it.effect("nobody without a key", () =>
    Effect.gen(function* () {
      const { adminToken } = TestServer
      const wrong = [{}, bearer("wrong"), bearer(`${aliceKey}x`), bearer(adminToken.slice(0, -1))]
      for (const headers of [
        ...wrong,
        { authorization: `Basic ${aliceKey}` },
        { authorization: adminToken }
      ]) {
        for (const path of [of("data.txt"), of("none.txt"), of("a/b"), "/api/executions/x/artifacts/y"]) {
          const answer = yield* send(path, { headers: headers as Record<string, string> })
          assert.strictEqual(answer.status, 401)
          assert.strictEqual(answer.headers.get("www-authenticate"), "Bearer")
          assert.include(json(answer).error, { code: "PERMISSION_DENIED" })
        }
      }
      assert.strictEqual((yield* send(`${of("data.txt")}?token=${adminToken}`)).status, 401)
    }).pipe(serveWithKeys)
  )

  it.effect("whoever may not is told what one is told whose artifact does not exist", () =>
    Effect.gen(function* () {
      const answers = [
        yield* send(of("data.txt"), { headers: asBob }),
        yield* send(of("none.txt"), { headers: asAlice }),
        yield* send(of("none.txt"), { headers: asAdmin }),
        yield* send(of("none.txt"), { headers: asBob }),
        yield* send("/api/executions/exec_2/artifacts/data.txt", { headers: asAlice }),
        yield* send("/api/executions/..%2Fexec_1/artifacts/data.txt", { headers: asAlice }),
        yield* send(of("..%2Fdata.txt"), { headers: asAlice }),
        yield* send(of("data.txt"), { headers: { ...asBob, range: "bytes=99-" } })
      ]
      for (const { headers, status, text } of answers) {
        assert.strictEqual(status, 404)
        assert.strictEqual(text, answers[0]?.text)
        assert.deepStrictEqual([...headers.keys()], [...(answers[0]?.headers.keys() ?? [])])
      }
      assert.strictEqual(json(answers[0] as TestServer.Answer).error.message, "There is no such artifact")
    }).pipe(serveWithKeys)
  )

  it.effect("where nobody has a key, everybody on this machine", () =>
    Effect.gen(function* () {
      for (const host of ["localhost:80", "127.0.0.1", "[::1]:80"]) {
        assert.strictEqual(yield* statusFor(host), 200)
      }
      for (const host of ["attacker.example", "127.0.0.1.attacker.example"]) {
        assert.strictEqual(yield* statusFor(host), 403)
        assert.strictEqual(yield* statusFor(host, bearer("wrong")), 403)
        assert.strictEqual(yield* statusFor(host, asAdmin), 200)
      }
    }).pipe(serve())
  )
})

describe("an artifact that is not there", () => {
  const { result: _, ...running } = StubArtifacts.recordOf(files)
  const services = {
    "while the execution runs": Stub.layer({ getExecution: () => Effect.succeed(running) }),
    "when only the result knows of it": knowing(files)
  }
  for (const [when, service] of Object.entries(services)) {
    it.effect(when, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* send(of("data.txt"))).status, 404)
      }).pipe(Effect.provide(TestServer.layer(service)))
    )
  }

  it.effect("when only the store knows of it", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send(of("data.txt"))).status, 404)
    }).pipe(Effect.provide(TestServer.layer(knowing({}), {}, StubArtifacts.layer(files))))
  )
})

/** Collects what is logged while an effect runs. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.map(Logger.logfmtLogger, (line) => void lines.push(line))
  return Effect.as(effect, lines).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
}

const unreadable = Stub.layer({
  getExecution: () => new StoreFailure({ message: "no", cause: new Error("EIO at /var/lib/bulkhead") })
})
const broken = {
  "the record": TestServer.layer(unreadable),
  "the artifact": TestServer.layer(
    knowing(files),
    {},
    StubArtifacts.of(() => StubArtifacts.failure)
  ),
  "an artifact of another size": TestServer.layer(
    knowing(files),
    {},
    StubArtifacts.layer({ "data.txt": "01234" })
  )
}

describe("an artifact that cannot be read", () => {
  for (const [what, server] of Object.entries(broken)) {
    it.effect(`since ${what} cannot be: the log alone gets the cause`, () =>
      Effect.gen(function* () {
        const lines = yield* logged(
          Effect.gen(function* () {
            const answer = yield* send(of("data.txt"))
            assert.strictEqual(answer.status, 503)
            assert.deepStrictEqual(json(answer), {
              success: false,
              error: {
                code: "RECORD_UNAVAILABLE",
                message: "The artifact cannot be read at present",
                category: "internal",
                retryable: true
              }
            })
            assert.strictEqual(answer.headers.get("retry-after"), "5")
          }).pipe(Effect.provide(server))
        )
        assert.match(lines.join("\n"), /EIO|expected 10 bytes/)
      })
    )
  }

  it.live("to its end breaks the connection off", () =>
    Effect.gen(function* () {
      const content = Stream.concat(
        Stream.make(new Uint8Array(Buffer.from("01234"))),
        Stream.fail(StubArtifacts.failure)
      )
      const store = StubArtifacts.of(() => Effect.succeedSome({ size: 10, content }))
      const lines = yield* logged(
        Effect.gen(function* () {
          const { url } = yield* TestServer.TestServer
          const failed = yield* Effect.flip(
            Effect.tryPromise(async () => (await fetch(`${url}${of("data.txt")}`)).text()).pipe(
              // Sooner than an idle connection is closed, so that it is the failure that closes this one.
              Effect.timeoutFail({ duration: "3 seconds", onTimeout: () => ({ error: "it hangs" }) })
            )
          )
          assert.instanceOf(failed.error, TypeError)
          assert.strictEqual((yield* send("/health")).status, 200)
        }).pipe(Effect.provide(TestServer.layer(knowing(files), {}, store)))
      )
      assert.match(lines.join("\n"), /EIO/)
    })
  )
})

describe("an artifact on its way", () => {
  const size = 64 * 1_048_576
  const megabyte = new Uint8Array(1_048_576)
  const large = Stub.layer({
    getExecution: () => {
      const record = StubArtifacts.recordOf(files)
      const [artifact] = record.result?.artifacts ?? []
      assert(record.result && artifact)
      return Effect.succeed({ ...record, result: { ...record.result, artifacts: [{ ...artifact, size }] } })
    }
  })

  it.effect("is never held whole, and is let go when its reader goes away", () =>
    Effect.gen(function* () {
      const letGo = yield* Deferred.make<void>()
      let read = 0
      const content = Stream.repeatValue(megabyte).pipe(
        Stream.tap(() => Effect.sync(() => void read++)),
        Stream.take(64),
        Stream.rechunk(1),
        Stream.ensuring(Deferred.succeed(letGo, void 0))
      )
      const store = StubArtifacts.of(() => Effect.succeedSome({ size, content }))
      yield* Effect.gen(function* () {
        const { url } = yield* TestServer.TestServer
        const response = yield* Effect.async<import("node:http").IncomingMessage>((resume) => {
          request(`${url}${of("data.txt")}`, (response) => resume(Effect.succeed(response))).end()
        })
        // Nobody reads: what has left the store fits into the sockets' buffers.
        yield* Effect.async<void>((resume) => {
          response.once("readable", () => resume(Effect.void))
        })
        assert.isBelow(read, 32)
        response.destroy()
        yield* Deferred.await(letGo)
        assert.isBelow(read, 64)
      }).pipe(Effect.provide(TestServer.layer(large, {}, store)))
    })
  )
})

describe("an artifact in a file", () => {
  it.scoped("is sent whole and in part", () =>
    Effect.gen(function* () {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const store = yield* Effect.map(Layer.build(FileArtifactStore.layer(directory)), (built) =>
        Context.get(built, ArtifactStore)
      )
      for (const [name, content] of Object.entries(files)) {
        const bytes = new Uint8Array(Buffer.from(content))
        const artifact = { executionId, userId: TestServer.alice, name, size: bytes.length }
        const staged = yield* store.stage(artifact, Stream.make(bytes))
        yield* staged.keep
      }
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* send(of("data.txt"))).text, text)
        const part = yield* send(of("data.txt"), { headers: { range: "bytes=3-5" } })
        assert.deepStrictEqual([part.status, part.text], [206, "345"])
        const empty = yield* send(of("empty.txt"))
        assert.deepStrictEqual([empty.status, empty.text], [200, ""])
      }).pipe(Effect.provide(TestServer.layer(knowing(files), {}, Layer.succeed(ArtifactStore, store))))
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("ByteRange", () => {
  const size = Schema.Int.pipe(Schema.between(0, 20))
  const bound = Schema.Union(
    Schema.Literal(""),
    Schema.NumberFromString.pipe(Schema.int(), Schema.between(0, 30))
  )
  const header = Schema.Tuple(bound, bound)

  it.prop(
    "picks the bytes that the header names",
    [Arbitrary.make(size), Arbitrary.make(Schema.typeSchema(header))],
    ([size, [first, last]]) => {
      const bytes = Array.from({ length: size }, (_, index) => index)
      const named = bytes.filter((at) =>
        first === "" ? last !== "" && at >= size - last : at >= first && (last === "" || at <= last)
      )
      const range = ByteRange.parse(`bytes=${first}-${last}`, size)
      if (range._tag === "Part") {
        assert.deepStrictEqual(bytes.slice(range.first, range.last + 1), named)
        assert.isNotEmpty(named)
      } else {
        // A header that is none, or whose bytes are not there.
        const isNone = first === "" ? last === "" : last !== "" && last < first
        const isTail = first === "" && last !== 0
        assert.isTrue(isNone || named.length === 0)
        assert.strictEqual(range._tag, isNone || isTail ? "Whole" : "Unsatisfiable")
      }
    }
  )
})
