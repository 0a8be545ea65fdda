import { E2BConfig, E2BSandbox } from "@bulkhead/e2b"
import { Sandbox, type SandboxFailure } from "@bulkhead/sandbox"
import { assert, describe, layer } from "@effect/vitest"
import { Sandbox as SdkSandbox } from "e2b"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"
import * as Unused from "./Unused.js"

const sandbox = Effect.map(Layer.build(E2BSandbox.layer(EmbeddedE2B.options)), Context.get(Sandbox))

/** The ids of the sandboxes that the provider has. */
const listed = Effect.flatMap(E2BConfig, ({ apiKey, apiUrl }) =>
  Effect.promise(() =>
    SdkSandbox.list({ apiKey: Redacted.value(apiKey), ...(apiUrl && { apiUrl }) })
      .nextItems()
      .then((found) => found.map(({ sandboxId }) => sandboxId))
  )
)

layer(EmbeddedE2B.layer, { timeout: "30 seconds" })("E2BSandbox on the embedded host", (it) => {
  describe("a sandbox that is gone", () => {
    it.scoped("fails what ran in it as a connection that is lost", () =>
      Effect.gen(function* () {
        const { run, destroy } = yield* sandbox
        const events = yield* run({ line: "sleep 60", env: {}, lifetime: Duration.seconds(30) })
        assert.strictEqual((yield* events.take)._tag, "Started")
        yield* destroy
        const failure = yield* Effect.flip(events.take)
        assert.include(failure, { phase: "run", code: "ECONNRESET", retryable: true })
      })
    )

    it.scoped("cannot be renewed, for the same reason", () =>
      Effect.gen(function* () {
        const { destroy, renew } = yield* sandbox
        yield* destroy
        const failure = yield* Effect.flip(renew(Duration.seconds(30)))
        assert.include(failure, { phase: "renew", code: "ECONNRESET" })
      })
    )
  })

  it.scoped("runs a command whose lifetime is no whole number of milliseconds", () =>
    Effect.gen(function* () {
      const { run } = yield* sandbox
      const events = yield* run({ line: "true", env: {}, lifetime: Duration.seconds(30.0005) })
      assert.strictEqual((yield* events.take)._tag, "Started")
    })
  )

  describe("a file that lies on disk", () => {
    const bytes = new Uint8Array(8 * 1_048_576)
    const blob = new Blob([bytes])
    const codeOf = ({ code, phase, retryable }: SandboxFailure) => ({ code, phase, retryable })

    for (const path of ["/dev/full", "/proc/nothing", "/"]) {
      it.scoped(`fails for ${path} as one in memory does`, () =>
        Effect.gen(function* () {
          const { write } = yield* sandbox
          const inMemory = yield* Effect.flip(write([{ path, content: bytes }]))
          const onDisk = yield* Effect.flip(write([{ path, content: blob }]))
          assert.deepStrictEqual(codeOf(onDisk), codeOf(inMemory))
        })
      )
    }

    it.scoped("comes whole beside others, whatever they are called and have in them", () =>
      Effect.gen(function* () {
        const { read, write } = yield* sandbox
        const onDisk = "one\r\n--bulkhead-\r\n\r\ntwo"
        const contents = {
          ...{ "ü b%41;.txt": onDisk, "o%22.txt": "percent", "c/d.txt": "", "e'f=.txt": "\r\n" },
          ...{ 'i"分"j\\k.txt': "quoted", "l\\(m\\": "escaped", 'n\\"o\\': "both" }
        }
        yield* write(Object.entries(contents).map(([path, text]) => ({ path, content: new Blob([text]) })))
        yield* write([
          { path: "g", content: new TextEncoder().encode("g") },
          { path: "h", content: blob }
        ])
        yield* write([{ path: "r%22", content: new TextEncoder().encode("plain") }])
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(read("r%22"))), "plain")
        yield* write([{ path: 'p"q\\', content: new TextEncoder().encode("in memory") }])
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(read('p"q\\'))), "in memory")
        for (const [path, text] of Object.entries({ ...contents, g: "g" }))
          assert.strictEqual(yield* Stream.mkString(Stream.decodeText(read(path))), text)
        const size = yield* Stream.runFold(read("h"), 0, (sum, piece) => sum + piece.length)
        assert.strictEqual(size, bytes.length)
      })
    )

    it.scoped("fails in a sandbox that is gone as one in memory does", () =>
      Effect.gen(function* () {
        const { destroy, write } = yield* sandbox
        yield* destroy
        const inMemory = yield* Effect.flip(write([{ path: "a", content: bytes }]))
        const onDisk = yield* Effect.flip(write([{ path: "a", content: blob }]))
        assert.deepStrictEqual(codeOf(onDisk), codeOf(inMemory))
      })
    )
  })

  describe("the end of its scope", () => {
    const scopedSandbox = Effect.map(sandbox, ({ id }) => id)

    it.effect("destroys the sandbox after success", () =>
      Effect.gen(function* () {
        const id = yield* Effect.scoped(
          Effect.tap(scopedSandbox, (id) => Effect.map(listed, (ids) => assert.include(ids, id)))
        )
        assert.notInclude(yield* listed, id)
      })
    )

    it.effect("destroys the sandbox after failure, defect and interruption", () =>
      Effect.gen(function* () {
        const ids: Array<string> = []
        const remember = Effect.tap(scopedSandbox, (id) => Effect.sync(() => ids.push(id)))
        yield* Effect.exit(Effect.scoped(Effect.zipRight(remember, Effect.fail("failure"))))
        yield* Effect.exit(Effect.scoped(Effect.zipRight(remember, Effect.die("defect"))))
        const created = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(
          Effect.scoped(
            Effect.zipRight(remember, Effect.zipRight(Deferred.succeed(created, undefined), Effect.never))
          )
        )
        yield* Deferred.await(created)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(ids.length, 3)
        const left = yield* listed
        for (const id of ids) assert.notInclude(left, id)
      })
    )
  })

  describe("a provider that refuses", () => {
    it.effect("our key is a failure that is not retried", () =>
      Effect.gen(function* () {
        const config = yield* E2BConfig
        const wrong = { ...config, apiKey: Redacted.make("wrong") }
        const failure = yield* Layer.build(E2BSandbox.layer(EmbeddedE2B.options)).pipe(
          Effect.scoped,
          Effect.provideService(E2BConfig, wrong),
          Effect.flip
        )
        assert.include(failure, { code: "PERMISSION_DENIED", phase: "create", retryable: false })
      })
    )

    it.effect("connections is a failure that is retried", () =>
      Effect.gen(function* () {
        const config = yield* E2BConfig
        const nobody = { ...config, apiUrl: yield* Unused.url }
        const failure = yield* Layer.build(E2BSandbox.layer(EmbeddedE2B.options)).pipe(
          Effect.scoped,
          Effect.provideService(E2BConfig, nobody),
          Effect.flip
        )
        assert.include(failure, { code: "ECONNREFUSED", phase: "create", retryable: true })
        assert.notInclude(failure.message, "127.0.0.1")
      })
    )
  })
})
