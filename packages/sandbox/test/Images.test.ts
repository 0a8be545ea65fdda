import { imageManifestPath, type LimitValues, shortResult } from "@bulkhead/domain"
import { Images, Limits, SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider, MockToolchain } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream, TestClock } from "effect"

const { MockSandboxes } = MockSandboxProvider

const go = {
  name: "go",
  version: "go 1.19.8",
  file: "main.go",
  command: "go run main.go",
  check: "gofmt main.go"
}

const data = {
  format: 1,
  description: "For numbers",
  languages: [go, { ...go, name: "bash", version: "bash 6", file: "main.sh" }],
  packages: [{ from: "pypi", name: "numpy", version: "2.1.0" }],
  env: { PYTHONPATH: "/opt/data/python", GREETING: "hello" }
}

const images = new Map([
  ["data", "template-1"],
  ["plain-too", "template-2"],
  ["gone", "template-3"],
  ["broken", "template-4"]
])

const templates = {
  "template-1": JSON.stringify(data),
  "template-2": undefined,
  "template-4": JSON.stringify({ ...data, languages: [{ ...go, command: "go run main.go; rm -rf /" }] })
}

const service = (
  limits: Partial<LimitValues> = {},
  behaviour: Partial<MockSandboxProvider.MockBehaviour> = {}
) =>
  SandboxService.layerMemory.pipe(
    Layer.provide(Layer.merge(Limits.layer(limits), Layer.succeed(Images, images))),
    Layer.provideMerge(MockSandboxProvider.layer({ templates, ...behaviour }))
  )

const ownOf = Effect.map(
  Effect.flatMap(MockSandboxes, ({ created }) => created),
  (all) => all.filter(({ options }) => "executionId" in options.metadata)
)

describe("Images", () => {
  it.effect("makes the sandbox from the template, and says so wherever the execution is told of", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const { executionId, image, verdict } = yield* sandboxes.execute({ code: "1", image: "data" })
      assert.deepStrictEqual([verdict, image], ["Completed", "data"])
      assert.deepStrictEqual(
        (yield* ownOf).map(({ options }) => options.template),
        ["template-1"]
      )
      assert.strictEqual((yield* sandboxes.getExecution(executionId)).image, "data")
      const started = (yield* sandboxes.getLogs(executionId)).find(
        ({ event }) => event === "execution_started"
      )
      assert.strictEqual(started?.data?.image, "data")
      const updates = yield* Stream.runCollect(sandboxes.stream({ code: "1", image: "data" }))
      const last = [...updates].at(-1)
      assert(last?.type === "result")
      assert.strictEqual(shortResult(last.result).image, "data")
    }).pipe(Effect.provide(service()))
  )

  it.effect("asks for no template and says nothing where none is chosen", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const result = yield* sandboxes.execute({ code: "1" })
      assert.notProperty(result, "image")
      assert.notProperty(yield* sandboxes.getExecution(result.executionId), "image")
      assert.isTrue((yield* ownOf).every(({ options }) => !("template" in options)))
    }).pipe(Effect.provide(service()))
  )

  it.effect("runs a language that the image adds, or has in the place of a usual one, by its row", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      yield* sandboxes.execute({ code: "package main", language: "go", image: "data" })
      yield* sandboxes.execute({ code: ":", language: "bash", image: "data" })
      yield* sandboxes.execute({ code: ":", language: "bash" })
      const commands = (yield* ownOf).flatMap(({ commands }) => commands.map(({ env }) => env))
      assert.deepStrictEqual(
        commands.map(({ BULKHEAD_CHECK, BULKHEAD_COMMAND, BULKHEAD_FILE }) => [
          BULKHEAD_FILE,
          BULKHEAD_COMMAND,
          BULKHEAD_CHECK
        ]),
        [
          ["main.go", "go run main.go", "gofmt main.go"],
          ["main.sh", "go run main.go", "gofmt main.go"],
          ["main.sh", "bash main.sh", "bash -n main.sh"]
        ]
      )
    }).pipe(Effect.provide(service()))
  )

  it.effect("sets the image's variables, unless the request says otherwise", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      yield* execute({ code: "1", image: "data", env: { GREETING: "good day" } })
      const [sandbox] = yield* ownOf
      const variables = sandbox?.commands[0]?.env.BULKHEAD_ENV?.split("\n") ?? []
      assert.includeMembers(variables, ["PYTHONPATH=/opt/data/python", "GREETING=good day"])
      assert.notInclude(variables, "GREETING=hello")
    }).pipe(Effect.provide(service()))
  )

  it.effect("refuses an image that is not there, naming those that are, and a language that it has not", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      const refusal = yield* Effect.flip(execute({ code: "1", image: "unknown" }))
      assert.include(refusal, {
        _tag: "InvalidRequest",
        field: "image",
        message: "image: expected one of data, plain-too, gone, broken"
      })
      const language = yield* Effect.flip(execute({ code: "1", image: "data", language: "cobol" }))
      assert.include(language, {
        field: "language",
        message: "language: expected one of python, javascript, typescript, bash, go"
      })
      const other = yield* Effect.flip(execute({ code: "1", image: "plain-too", language: "go" }))
      assert.include(other, { field: "language" })
      const malformed = yield* Effect.flip(execute({ code: "1", image: "../data" }))
      assert.include(malformed, { _tag: "InvalidRequest", field: "image" })
    }).pipe(Effect.provide(service()))
  )

  it.effect("refuses every image where there are none", () =>
    Effect.gen(function* () {
      const refusal = yield* Effect.flip((yield* SandboxService).execute({ code: "1", image: "data" }))
      assert.include(refusal, { message: "image: expected none, there are no images here" })
    }).pipe(
      Effect.provide(
        SandboxService.layer().pipe(Layer.provideMerge(MockSandboxProvider.layer({ templates })))
      )
    )
  )

  it.effect("looks into each image once, however many ask at the same time", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      const ask = execute({ code: "1", image: "data" })
      yield* Effect.all([ask, ask, ask], { concurrency: "unbounded" })
      const looks = (yield* (yield* MockSandboxes).created).filter(
        ({ options }) => options.metadata.purpose === "toolchain"
      )
      assert.deepStrictEqual(
        looks.map(({ options }) => options.template),
        ["template-1"]
      )
    }).pipe(Effect.provide(service()))
  )

  it.effect("takes no sandbox from the pool for an image", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      yield* sandboxes.execute({ code: "1" })
      yield* TestClock.adjust("1 second")
      const before = (yield* sandboxes.getSystemMetrics).pool
      assert.strictEqual(before.idle, 2)
      yield* sandboxes.execute({ code: "1", image: "data" })
      const { idle, hits } = (yield* sandboxes.getSystemMetrics).pool
      assert.deepStrictEqual([idle, hits], [2, before.hits])
      const plain = (yield* (yield* MockSandboxes).created).filter(
        ({ options }) => options.metadata.purpose === "pool"
      )
      assert.isTrue(plain.every(({ options }) => options.template === undefined))
    }).pipe(Effect.provide(service({ poolMin: 2, poolMax: 2 })))
  )

  it.effect("refuses to those alone who ask for them images that are broken or gone", () =>
    Effect.gen(function* () {
      const { execute, images } = yield* SandboxService
      const broken = yield* execute({ code: "1", image: "broken" })
      assert.deepInclude(broken, { verdict: "InternalError", image: "broken" })
      assert.deepInclude(broken.error, { code: "INTERNAL_ERROR", retryable: false })
      assert.include(broken.error?.message, "languages.0.command")
      for (let asked = 0; asked < 12; asked++) {
        const gone = yield* execute({ code: "1", image: "gone" })
        assert.strictEqual(gone.verdict, "InternalError")
      }
      assert.strictEqual((yield* execute({ code: "1" })).verdict, "Completed")
      assert.strictEqual((yield* execute({ code: "1", image: "data" })).verdict, "Completed")
      const listed = (yield* images).images.map(({ name, error }) => [name, error?.code])
      assert.deepStrictEqual(listed, [
        ["data", undefined],
        ["plain-too", undefined],
        ["gone", "INTERNAL_ERROR"],
        ["broken", "INTERNAL_ERROR"]
      ])
    }).pipe(Effect.provide(service()))
  )

  it.effect("does not look again for ten seconds into an image that is broken, whoever asks and lists", () =>
    Effect.gen(function* () {
      const { execute, images } = yield* SandboxService
      const mock = yield* MockSandboxes
      const looks = Effect.map(
        mock.created,
        (all) => all.filter(({ options }) => options.template === "template-4").length
      )
      const ask = execute({ code: "1", image: "broken" })
      yield* Effect.all([ask, ask, images], { concurrency: "unbounded" })
      yield* TestClock.adjust("9 seconds")
      assert.include((yield* ask).error?.message, "languages.0.command")
      assert.strictEqual(yield* looks, 1)
      yield* mock.behave({ templates: { ...templates, "template-4": JSON.stringify(data) } })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* ask).verdict, "Completed")
      assert.strictEqual(yield* looks, 3)
    }).pipe(Effect.provide(service()))
  )

  it.effect("looks again at once where the provider was down", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      const mock = yield* MockSandboxes
      yield* mock.behave({ create: MockSandboxProvider.failure("SANDBOX_BUSY", "create", false) })
      assert.strictEqual((yield* execute({ code: "1", image: "data" })).error?.code, "SANDBOX_BUSY")
      yield* mock.behave({ create: Effect.void })
      assert.strictEqual((yield* execute({ code: "1", image: "data" })).verdict, "Completed")
    }).pipe(Effect.provide(service({ maxRetries: 0 })))
  )

  it.effect("counts the failures of one image against that image alone", () =>
    Effect.gen(function* () {
      const { execute, getSystemMetrics } = yield* SandboxService
      yield* execute({ code: "1", image: "plain-too" })
      const mock = yield* MockSandboxes
      yield* mock.behave({ create: MockSandboxProvider.failure("SANDBOX_BUSY", "create", false) })
      for (let asked = 0; asked < 3; asked++) yield* execute({ code: "1", image: "plain-too" })
      assert.strictEqual((yield* getSystemMetrics).circuit, "closed")
      yield* mock.behave({ create: Effect.void })
      assert.strictEqual((yield* execute({ code: "1" })).verdict, "Completed")
      const refused = yield* execute({ code: "1", image: "plain-too" })
      assert.strictEqual(refused.error?.code, "SANDBOX_BUSY")
    }).pipe(Effect.provide(service({ breakerFailures: 3, maxRetries: 0 })))
  )

  for (const [what, manifest, wrong] of [
    ["is no JSON", "{", "manifest"],
    ["is of a format to come", JSON.stringify({ format: 2 }), "format"],
    ["has a language twice", JSON.stringify({ format: 1, languages: [go, go] }), "go twice"],
    [
      "has a file that is a path",
      JSON.stringify({ format: 1, languages: [{ ...go, file: "../x" }] }),
      "file"
    ],
    ["has a package from nowhere", JSON.stringify({ format: 1, packages: [{ name: "a" }] }), "packages.0"],
    ["is larger than a manifest may be", `${JSON.stringify(data)}${" ".repeat(262_144)}`, "larger"]
  ] as const)
    it.effect(`refuses an image whose manifest ${what}`, () =>
      Effect.gen(function* () {
        const { error } = yield* (yield* SandboxService).execute({ code: "1", image: "data" })
        assert.include(error?.message, wrong)
        assert.notInclude(error?.message, "/opt")
      }).pipe(Effect.provide(service({}, { templates: { "template-1": manifest } })))
    )

  it.effect("reads no more of an endless manifest than one may have", () =>
    Effect.gen(function* () {
      const { error } = yield* (yield* SandboxService).execute({ code: "1" })
      assert.include(error?.message, "larger")
    }).pipe(
      Effect.provide(
        service(
          {},
          {
            toolchain: MockToolchain.withManifest(MockToolchain.look),
            read: (path) =>
              path === imageManifestPath ? Stream.forever(Stream.make(new Uint8Array(65_536))) : Stream.empty
          }
        )
      )
    )
  )

  it.effect("tells what there is to choose from", () =>
    Effect.gen(function* () {
      const { images, plain } = yield* (yield* SandboxService).images
      assert.deepStrictEqual(
        plain.languages.map(({ name }) => name),
        ["python", "javascript", "typescript", "bash"]
      )
      const { description, languages = [], name, packages } = images[0] ?? {}
      assert.deepStrictEqual([name, description, packages], ["data", "For numbers", data.packages])
      assert.deepInclude(languages, { name: "go", version: "go 1.19.8" })
    }).pipe(Effect.provide(service()))
  )
})
