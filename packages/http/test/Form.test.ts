import type { ExecutionRequestInput } from "@bulkhead/domain"
import { defaultLimits, FileId } from "@bulkhead/domain"
import { MemoryUploads, UploadFailure, Uploads } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { alice, json, send } = TestServer

type Request = ExecutionRequestInput & { readonly files?: ReadonlyArray<{ path: string; fileId?: string }> }

/** Answers with what came: the request, and the text of each file that it names. */
const echo = Layer.unwrapEffect(
  Effect.map(Uploads, ({ hold }) =>
    Stub.layer({
      execute: (input, options) =>
        Effect.gen(function* () {
          const { files = [], ...request } = input as Request
          const userId = options?.userId ?? alice
          const texts = yield* Effect.forEach(files, ({ fileId = "", path }) =>
            Effect.gen(function* () {
              const held = Option.getOrThrow(yield* Effect.orDie(hold(userId, FileId.make(fileId))))
              return [path, yield* Effect.promise(() => held.content.text())] as const
            }).pipe(Effect.scoped)
          )
          return { ...Stub.completed, stdout: JSON.stringify({ request, files: texts }) }
        })
    })
  )
)

const serve = <A, E>(
  use: Effect.Effect<A, E, TestServer.TestServer>,
  settings: Parameters<typeof TestServer.layer>[1] = {}
) =>
  Effect.gen(function* () {
    const uploads = yield* Uploads
    const context = Layer.succeed(Uploads, uploads)
    const service = Layer.provide(echo, context)
    const answer = yield* Effect.provide(use, Layer.provide(TestServer.layer(service, settings), context))
    // Nothing of a request stays unless it was asked for.
    return { answer, left: yield* uploads.taken() }
  }).pipe(Effect.provide(MemoryUploads.layer()))

const post = (body: FormData | Uint8Array | string, headers: Readonly<Record<string, string>> = {}) =>
  send("/api/execute", { method: "POST", body: body as NonNullable<RequestInit["body"]>, headers })

const formOf = (parts: Readonly<Record<string, string | Blob>>) => {
  const form = new FormData()
  for (const [name, value] of Object.entries(parts))
    typeof value === "string" ? form.append(name, value) : form.append("file", value, name)
  return form
}

const echoed = ({ text }: TestServer.Answer) => JSON.parse(JSON.parse(text).stdout)

const boundary = "XyZ"
const multipart = { "content-type": `multipart/form-data; boundary=${boundary}` }

const part = (headers: string, content = "") =>
  `--${boundary}\r\nContent-Disposition: form-data; ${headers}\r\n\r\n${content}\r\n`
const end = `--${boundary}--\r\n`
const code = part('name="code"', "1")

describe("a form", () => {
  it.effect("is a request of fields, and files by their names", () =>
    Effect.gen(function* () {
      const form = formOf({
        code: "print('é')",
        timeout: "5",
        env: '{"A": "1"}',
        userId: "alice",
        "data/a.csv": new Blob(["1,2"]),
        "b.bin": new Blob([""])
      })
      const { answer, left } = yield* serve(post(form, { "idempotency-key": "k" }))
      assert.deepStrictEqual(echoed(answer), {
        request: {
          code: "print('é')",
          timeout: 5,
          env: { A: "1" },
          userId: "alice",
          idempotencyKey: "k"
        },
        files: [
          ["data/a.csv", "1,2"],
          ["b.bin", ""]
        ]
      })
      assert.strictEqual(left, 0)
    })
  )

  it.effect("leaves a field that no request has, JSON or not, to who refuses it by its name", () =>
    Effect.gen(function* () {
      const { answer } = yield* serve(post(formOf({ code: "1", lang: "python" })))
      assert.deepStrictEqual(echoed(answer).request, { code: "1", lang: "python" })
    })
  )

  it.effect("may have the whole request in one part, of whatever type", () =>
    Effect.gen(function* () {
      const body = [
        part('name="x.txt"; filename=""', "named by the part"),
        part('name="request"\r\nContent-Type: application/json', '{"code": "1", "language": "bash"}'),
        part(`name="file"; filename*=UTF-8''%C3%A9.txt`, "é"),
        end
      ].join("")
      const { answer } = yield* serve(post(body, multipart))
      assert.deepStrictEqual(echoed(answer), {
        request: { code: "1", language: "bash" },
        files: [
          ["x.txt", "named by the part"],
          ["é.txt", "é"]
        ]
      })
    })
  )

  it.effect("names files in whatever script, and with quotes as browsers and curl write them", () =>
    Effect.gen(function* () {
      const names = ["分析/结果📊.csv", "Прайс.txt", "a%22b.txt", 'c\\"d.txt', "50%.txt", "end\\"]
      const files = names.map((name) => part(`name="file"; filename="${name}"`, "x")).join("")
      const { answer } = yield* serve(post(code + files + end, multipart))
      assert.deepStrictEqual(
        echoed(answer).files.map(([name]: [string]) => name),
        ["分析/结果📊.csv", "Прайс.txt", 'a"b.txt', 'c"d.txt', "50%.txt", "end\\"]
      )
    })
  )

  it.effect("of another site's page is refused", () =>
    Effect.gen(function* () {
      for (const headers of [
        { origin: "https://evil.example" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" }
      ]) {
        const { answer } = yield* serve(post(code + end, { ...multipart, ...headers }))
        assert.strictEqual(answer.status, 403, JSON.stringify(headers))
      }
    })
  )

  const file = (name: string) => part(`name="f"; filename="${name}"`, "x")
  const refused: ReadonlyArray<readonly [string, string, number, RegExp, string?]> = [
    ["without a boundary", "", 400, /^body: .*it has no boundary/, "multipart/form-data"],
    ["of an empty boundary", end, 400, /it has no boundary/, 'multipart/form-data; boundary=""'],
    ["of a long boundary", end, 400, /it has no boundary/, `multipart/form-data; boundary=${"x".repeat(71)}`],
    ["that is empty", "", 400, /it ends before its last boundary/],
    ["that is something else", "hello", 400, /it ends before its last boundary/],
    ["without an end", code, 400, /it ends before its last boundary/],
    ["that ends in a file", code + file("a").slice(0, -4), 400, /it ends before its last boundary/],
    [
      "with a part without a name",
      `--${boundary}\r\nContent-Disposition: form-data\r\n\r\nx\r\n${end}`,
      400,
      /no name/
    ],
    ["with a part without headers", `--${boundary}\r\n\r\nx\r\n${end}`, 400, /no name|malformed/],
    ["with a header of 1 MB", part(`name="${"x".repeat(1_000_000)}"`) + end, 400, /malformed or too long/],
    ["with 10,000 headers", part(`name="a"${"\r\nX: y".repeat(10_000)}`) + end, 400, /malformed or too long/],
    [
      "with an encoding",
      part('name="code"\r\nContent-Transfer-Encoding: base64', "MQ==") + end,
      400,
      /content-transfer-encoding/
    ],
    [
      "with a name that cannot be decoded",
      part(`name="f"; filename*=UTF-8''%ff%`, "x") + end,
      400,
      /malformed/
    ],
    ["with a path that leads out", code + file("../a") + end, 400, /^part 2: .*'\.' or '\.\.'/],
    ["with an absolute path", code + file("/etc/passwd") + end, 400, /^part 2: .*relative path/],
    ["with NUL in a path", code + file("a\0b") + end, 400, /malformed|control/],
    ["with a very long path", code + file("a".repeat(2000)) + end, 400, /^part 2: .*longer than 1024/],
    ["with 100,000 fields", part('name="a"', "1").repeat(100_000), 400, /^a: is there twice/],
    [
      "with 40 fields",
      Array.from({ length: 40 }, (_, index) => part(`name="a${index}"`, "1")).join("") + end,
      400,
      /^part 33: expected at most 32 fields/
    ],
    ["with 100,000 files", file("a").repeat(100_000) + end, 400, /^files: expected at most 1000 files/],
    ["with code twice", code + code + end, 400, /^code: is there twice/],
    [
      "with a field twice",
      code + part('name="request"', '{"code": "2"}') + end,
      400,
      /^code: is a field, and/
    ],
    [
      "with a request that is none",
      part('name="request"', "[]") + end,
      400,
      /^request: expected a JSON object/
    ],
    ["with a request that is no JSON", part('name="request"', "{") + end, 400, /^request: expected JSON/],
    [
      "with a field that is no JSON",
      code + part('name="timeout"', "five") + end,
      400,
      /^timeout: expected JSON/
    ],
    ["with code that is not UTF-8", part('name="code"', "\xff") + end, 400, /^code: expected text in UTF-8/]
  ]
  for (const [name, body, status, message, type] of refused) {
    it.effect(`${name} is refused, and nothing is left of it`, () =>
      Effect.gen(function* () {
        const headers = type === undefined ? multipart : { "content-type": type }
        const { answer, left } = yield* serve(post(Buffer.from(body, "latin1"), headers))
        assert.strictEqual(answer.status, status, answer.text.slice(0, 300))
        assert.match(json(answer).error.message, message)
        assert.isBelow(answer.text.length, 4096)
        assert.strictEqual(left, 0)
      })
    )
  }

  it.effect("is held to the limits in force, before and while it comes", () =>
    Effect.gen(function* () {
      const limits = { ...defaultLimits, maxUploadMB: 1, maxUploadFiles: 2 }
      const service = Stub.layer({ limits: Effect.succeed(limits) })
      const answers = yield* Effect.gen(function* () {
        return [
          yield* post(
            formOf({ code: "1", a: new Blob(["x".repeat(700_000)]), b: new Blob(["x".repeat(700_000)]) })
          ),
          yield* post(formOf({ code: "1", a: new Blob([]), b: new Blob([]), c: new Blob([]) })),
          yield* post(new Uint8Array(60_000_000), multipart)
        ].map((answer) => [answer.status, json(answer).error.message])
      }).pipe(Effect.provide(TestServer.layer(service)), Effect.provide(MemoryUploads.layer()))
      assert.deepStrictEqual(answers.slice(0, 2), [
        [413, "files: expected at most 1 MB in all"],
        [400, "files: expected at most 2 files"]
      ])
      assert.match(String(answers[2]), /^413,body: expected at most \d+ bytes$/)
    })
  )

  it.effect("is refused where no files are taken in", () =>
    Effect.gen(function* () {
      const answer = yield* Effect.provide(
        post(formOf({ code: "1", a: new Blob(["x"]) })),
        TestServer.layer(Stub.layer())
      )
      assert.strictEqual(answer.status, 415)
    })
  )

  it.effect("is refused where there is no room, and says when to try again", () =>
    Effect.gen(function* () {
      for (const [reason, status, message] of [
        ["UserQuota", 429, "User limit reached: 3 MB of uploaded files"],
        ["Quota", 429, "System at capacity: 3 MB of uploaded files"],
        ["NoSpace", 429, "System at capacity: the disk has no room for uploaded files"],
        ["Unavailable", 503, "Uploaded files cannot be kept at present"]
      ] as const) {
        const failure = new UploadFailure({ reason, limit: 3_145_728, cause: "secret" })
        const refusing = Layer.effect(
          Uploads,
          Effect.map(Uploads, (uploads) => Uploads.of({ ...uploads, stage: () => failure }))
        ).pipe(Layer.provide(MemoryUploads.layer()))
        const answer = yield* Effect.provide(
          post(formOf({ code: "1", a: new Blob(["x"]) })),
          Layer.provide(TestServer.layer(Stub.layer()), refusing)
        )
        assert.strictEqual(answer.status, status)
        assert.strictEqual(json(answer).error.message, message)
        assert.isTrue(Number(answer.headers.get("retry-after")) > 0)
      }
    })
  )
})
