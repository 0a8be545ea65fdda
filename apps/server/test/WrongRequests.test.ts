import { request } from "node:http"
import { assert, layer } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const marker = "SECRET-OF-THE-CALLER"
const most = 4096

const post = (body: string, path = "/api/execute", init: RequestInit = {}) =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    Effect.promise(async (signal) => {
      const headers = { "content-type": "application/json", ...init.headers }
      const answer = await fetch(`${url}${path}`, { method: "POST", ...init, headers, body, signal })
      return { status: answer.status, text: await answer.text() }
    })
  )

const right = { code: "print(1)", files: [{ path: "a.txt", content: "a" }], env: { A: "a" }, userId: "alice" }

/** Values of which no field takes one, each with the marker in it. */
const secret = FastCheck.oneof(
  FastCheck.constant(marker),
  FastCheck.string().map((text) => `${marker}${text}`),
  FastCheck.constant("x".repeat(20_000)).map((text) => `${marker}${text}`)
)
const nested = FastCheck.letrec((tie) => ({
  value: FastCheck.oneof(
    { maxDepth: 4 },
    secret,
    FastCheck.array(tie("value"), { minLength: 1, maxLength: 3 }),
    FastCheck.dictionary(FastCheck.string({ maxLength: 8 }), tie("value"), { minKeys: 1, maxKeys: 3 })
  )
})).value
const composite = nested.filter((value) => typeof value !== "string")

const wrong: FastCheck.Arbitrary<readonly [field: string, request: object]> = FastCheck.oneof(
  FastCheck.constantFrom(
    "code",
    "language",
    "userId",
    "outputDir",
    "idempotencyKey",
    "stdin",
    "stdinEncoding"
  ).chain((field) => composite.map((value) => [field, { ...right, [field]: value }] as const)),
  FastCheck.constantFrom("timeout", "retryOnFailure").chain((field) =>
    nested.map((value) => [field, { ...right, [field]: value }] as const)
  ),
  FastCheck.oneof(secret, FastCheck.array(nested, { minLength: 1 })).map(
    (env) => ["env", { ...right, env }] as const
  ),
  composite.map((value) => ["env.A", { ...right, env: { A: value } }] as const),
  secret.map((value) => ["env.A", { ...right, env: { A: `${value}\0` } }] as const),
  secret.map((value) => ["env", { ...right, env: { A: `${value}${"x".repeat(40_000)}` } }] as const),
  FastCheck.oneof(secret, FastCheck.dictionary(FastCheck.string(), nested)).map(
    (args) => ["args", { ...right, args }] as const
  ),
  composite.map((value) => ["args.1", { ...right, args: ["a", value] }] as const),
  secret.map((value) => ["args.0", { ...right, args: [`${value}\0`] }] as const),
  secret.map((value) => ["args", { ...right, args: [`${value}${"x".repeat(20_000)}`] }] as const),
  secret.map((value) => ["stdin", { ...right, stdin: `${value}!`, stdinEncoding: "base64" }] as const),
  FastCheck.oneof(secret, FastCheck.dictionary(FastCheck.string(), nested)).map(
    (files) => ["files", { ...right, files }] as const
  ),
  FastCheck.constantFrom("path", "content", "encoding").chain((field) =>
    composite.map(
      (value) =>
        [`files.0.${field}`, { ...right, files: [{ path: "a", content: "", [field]: value }] }] as const
    )
  ),
  secret.map(
    (value) =>
      [
        "files.0.content",
        { ...right, files: [{ path: "a", content: `${value}!`, encoding: "base64" }] }
      ] as const
  ),
  secret.map(
    (value) => ["files.0.path", { ...right, files: [{ path: `../${value}`, content: "" }] }] as const
  ),
  secret.map(
    (content) =>
      [
        "files",
        {
          ...right,
          files: Array(1001).fill({ path: "a", content: "" }).with(0, { path: content, content: "" })
        }
      ] as const
  ),
  secret.map(
    (value) =>
      ["files.0.contents", { ...right, files: [{ path: "a", content: "", contents: value }] }] as const
  ),
  nested.map((value) => ["request", [value]] as const),
  secret.map((value) => ["userId", { ...right, userId: ` ${value}` }] as const),
  secret.map((value) => ["language", { ...right, language: value }] as const),
  secret.map((value) => ["code", { ...right, code: `${value}\ud800` }] as const)
)

const big = (field: string, value: string) => `{"code":"1","${field}":${value}}`

/** Requests that cost much where they are not refused by their bytes, with what their refusal begins with. */
const storm: Readonly<Record<string, readonly [body: () => string, message: RegExp]>> = {
  "580,000 variables": [
    () => big("env", `{${Array.from({ length: 580_000 }, (_, i) => `"A${i}":"1"`).join()}}`),
    /^env: expected at most 13192 elements .* at byte \d+$/
  ],
  "5,000 variables": [
    () => big("env", `{${Array.from({ length: 5000 }, (_, i) => `"A${i}":""`).join()}}`),
    /^env: expected at most 4096 variables, got 5000$/
  ],
  "260,000 files": [
    () => big("files", `[${Array.from({ length: 260_000 }, () => '{"path":"a"}').join()}]`),
    /^files: expected at most 13192 elements/
  ],
  "4,000,000 brackets": [() => "[".repeat(4_000_000), /^body: expected at most 16 levels/],
  "brackets in a field": [() => big("env", "[".repeat(4_000_000)), /^env: expected at most 16 levels/],
  "braces in braces": [() => '{"a":'.repeat(1_000_000), /^a: expected at most 16 levels/],
  "4,000,000 numbers": [() => `[${"1,".repeat(4_000_000)}1]`, /^body: expected at most 13192 elements/],
  "8 MB of spaces": [() => " ".repeat(8_000_000), /^body: expected JSON in UTF-8, but it ends too early/],
  "a field with a long name": [() => `{"${"n".repeat(5_000_000)}":1}`, /^n{100}…: is unexpected$/],
  "a field with control characters": [
    () => '{"\\u0007\\u202e":1,"code":"1"}',
    /^\\u\{7\}\\u\{202e\}: is unexpected$/
  ],
  "a member that objects have not": [
    () => '{"code":"1","__proto__":{"files":1}}',
    /^__proto__: is unexpected$/
  ],
  "a variable that objects have not": [
    () => big("env", '{"__proto__":"1"}'),
    /^env\.__proto__: expected a name of letters/
  ]
}

layer(ServerProcess.layer(), { timeout: "60 seconds" })("a wrong request", (it) => {
  it.effect(
    "gets 400 and a short answer with the field, and none of its values",
    () =>
      Effect.gen(function* () {
        for (const [field, request] of FastCheck.sample(wrong, 400)) {
          const { status, text } = yield* post(JSON.stringify(request))
          assert.strictEqual(status, 400, text.slice(0, most))
          assert.notInclude(text, marker)
          assert.isBelow(text.length, most)
          assert.isTrue(JSON.parse(text).error.message.startsWith(field), `${field}: ${text}`)
          assert.notMatch(text, /readonly|\{ /)
        }
      }),
    120_000
  )

  for (const [what, [body, message]] of Object.entries(storm)) {
    it.effect(`with ${what} is refused by name`, () =>
      Effect.gen(function* () {
        const { status, text } = yield* post(body())
        assert.strictEqual(status, 400, text.slice(0, most))
        assert.match(JSON.parse(text).error.message, message)
        assert.isBelow(text.length, most)
      })
    )
  }

  it.effect("has null for what is left out, which is as if it were not there", () =>
    Effect.gen(function* () {
      const nothing = { language: null, timeout: null, retryOnFailure: null, userId: null, outputDir: null }
      const files = [{ path: "a.txt", content: "a", encoding: null }]
      const request = {
        code: "print(open('a.txt').read())",
        ...nothing,
        env: null,
        idempotencyKey: null,
        files
      }
      const { body } = yield* Caller.post(request as never)
      assert.include(body, { verdict: "Completed", stdout: "a\n" })
      const none = yield* Caller.post({ code: "print(1)", files: null } as never)
      assert.include(none.body, { stdout: "1\n" })
      const init = { ...Caller.asAdmin, method: "PUT" }
      const limits = yield* post('{"maxQueued":501,"maxTimeout":null}', "/api/sandbox/limits", init)
      assert.include(JSON.parse(limits.text), { maxQueued: 501, maxTimeout: 900 })
      const kill = yield* post('{"reason":null}', "/api/sandbox/kill/exec_none", Caller.asAdmin)
      assert.strictEqual(kill.status, 404, kill.text)
    })
  )

  it.effect("is told apart from what its program does to its own home", () =>
    Effect.gen(function* () {
      const { body, status } = yield* Caller.post({ code: "chmod 000 ~; echo hi", language: "bash" })
      assert.strictEqual(status, 200)
      assert.include(body, { verdict: "Completed", stdout: "hi\n" })
      const reason = "Artifact validation failed: a permission is missing in the sandbox"
      assert.deepStrictEqual(body.rejectedArtifacts, [{ name: "output", reason }])
    })
  )

  it.effect("refuses a body that comes byte by byte", () =>
    Effect.gen(function* () {
      const { url } = yield* ServerProcess.ServerProcess
      const answer = yield* Effect.async<{ readonly status: number; readonly text: string }>((resume) => {
        const sent = request(`${url}/api/execute`, {
          method: "POST",
          headers: { "content-type": "application/json", "transfer-encoding": "chunked" }
        })
        sent.on("response", (response) => {
          let text = ""
          response.on("data", (piece) => {
            text += piece
          })
          response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
        })
        for (let written = 0; written < 20_000; written++) sent.write(" ")
        sent.end()
      })
      assert.strictEqual(answer.status, 400)
      assert.include(answer.text, "body: expected pieces of 256 bytes or more")
    })
  )
})
