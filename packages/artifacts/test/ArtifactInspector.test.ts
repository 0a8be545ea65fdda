import { createHash } from "node:crypto"
import {
  ArtifactInspector,
  type ArtifactRules,
  defaultWhitelist,
  InspectionFailure
} from "@bulkhead/artifacts"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Stream } from "effect"
import * as Files from "./ArtifactFixture.js"

const program = new URL("../../../.setup/InspectionWorker.js", import.meta.url)
const threads = ArtifactInspector.layer({ program })
const hostile = ArtifactInspector.layer({
  program: new URL("./threads/Hostile.mjs", import.meta.url),
  timePerFile: "1 seconds",
  memoryMB: 16
})

const inspect = <E>(extension: string, content: Stream.Stream<Uint8Array, E>) =>
  Effect.gen(function* () {
    const kind = defaultWhitelist[extension]
    assert(kind !== undefined)
    return yield* (yield* ArtifactInspector).inspect(kind, content)
  })

const bytes = (...texts: ReadonlyArray<string>) => Stream.fromIterable(texts.map((text) => Buffer.from(text)))
const passed = (content: Uint8Array, charset?: "utf-8") => ({
  _tag: "Passed" as const,
  sha256: createHash("sha256").update(content).digest("hex"),
  ...(charset && { charset })
})
const isText = (name: string) => defaultWhitelist[name.slice(2)]?.checks.includes("text") === true
const flawed = (flaw: string) => ({ _tag: "Flawed" as const, flaw })

describe("a file in a thread", () => {
  for (const [where, layer] of [
    ["threads", threads],
    ["this thread", ArtifactInspector.layerMemory]
  ] as const) {
    it.scopedLive(`passes with its hash, whatever its kind, in ${where}`, () =>
      Effect.gen(function* () {
        for (const [name, content] of Object.entries(Files.whole)) {
          const charset = isText(name) ? "utf-8" : undefined
          assert.deepStrictEqual(
            yield* inspect(name.slice(2), Stream.make(content)),
            passed(content, charset),
            name
          )
        }
        const flaw = yield* inspect("md", bytes("a", "\0"))
        assert.deepStrictEqual(flaw, flawed("it is not text: it has NUL bytes"))
        const behind = yield* inspect("gif", Stream.make(Files.gif, Buffer.from("x")))
        assert.deepStrictEqual(behind, flawed("data after its end"))
      }).pipe(Effect.provide(layer))
    )
  }

  it.scopedLive("leaves the bytes that it is given as they are, and those beside them", () =>
    Effect.gen(function* () {
      const whole = Buffer.from("before, a text, behind")
      const part = whole.subarray(8, 14)
      assert.deepStrictEqual(yield* inspect("txt", Stream.make(part)), passed(Buffer.from("a text"), "utf-8"))
      assert.strictEqual(whole.toString(), "before, a text, behind")
    }).pipe(Effect.provide(threads))
  )

  it.scopedLive("may have long texts and pictures in it, also where nothing active is kept", () =>
    Effect.gen(function* () {
      const inspector = yield* ArtifactInspector
      const passive: ArtifactRules = { checks: ["text", "passiveHtml"] }
      const letters = "iVBORw0KGgo".repeat(6000)
      const contents = ["<p>", "<img src='data:image/png;base64,"].map((head) =>
        Stream.concat(bytes(head), Stream.take(Stream.forever(bytes(letters)), 64))
      )
      for (const content of contents)
        assert.strictEqual((yield* inspector.inspect(passive, content))._tag, "Passed")
    }).pipe(Effect.provide(threads))
  )

  it.scopedLive("fails as it does when it cannot be read", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(inspect("txt", Stream.concat(bytes("a"), Stream.fail("broken"))))
      assert.deepStrictEqual(exit, Exit.fail("broken"))
      assert.deepStrictEqual(yield* inspect("txt", bytes("b")), passed(Buffer.from("b"), "utf-8"))
    }).pipe(Effect.provide(threads))
  )
})

describe("a file that takes too much", () => {
  const tooSlow = flawed("it took longer than 1 s to inspect")
  const threadOf = Effect.map(inspect("txt", bytes("harmless")), (found) =>
    found._tag === "Passed" ? found.sha256 : found.flaw
  )

  it.scopedLive("time is flawed, and its thread replaced", () =>
    Effect.gen(function* () {
      const first = yield* threadOf
      assert.strictEqual(yield* threadOf, first)
      assert.deepStrictEqual(yield* inspect("txt", bytes("hang")), tooSlow)
      const second = yield* threadOf
      assert.notStrictEqual(second, first)
      assert.strictEqual(yield* threadOf, second)
    }).pipe(Effect.provide(hostile))
  )

  it.scopedLive("time in all of its pieces together is flawed", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* inspect("txt", bytes("slow", "slow")))._tag, "Passed")
      assert.deepStrictEqual(yield* inspect("txt", bytes("slow", "slow", "slow", "slow")), tooSlow)
    }).pipe(Effect.provide(hostile))
  )

  it.scopedLive("memory is flawed, and its thread replaced", () =>
    Effect.gen(function* () {
      const found = yield* inspect("txt", bytes("grow"))
      assert.deepStrictEqual(found, flawed("it took more than 16 MB of memory to inspect"))
      assert.include(yield* threadOf, "thread")
    }).pipe(
      Effect.provide(
        ArtifactInspector.layer({
          program: new URL("./threads/Hostile.mjs", import.meta.url),
          timePerFile: "20 seconds",
          memoryMB: 16
        })
      )
    )
  )

  it.scopedLive("does not concern others, however many there are of both", () =>
    Effect.gen(function* () {
      const found = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? "hang" : "harmless")),
        (text) => Effect.map(inspect("txt", bytes(text)), (found) => [text, found._tag] as const),
        { concurrency: "unbounded" }
      )
      for (const [text, tag] of found) assert.strictEqual(tag, text === "hang" ? "Flawed" : "Passed")
    }).pipe(Effect.provide(hostile))
  )

  it.scopedLive("does not count the wait for its bytes", () =>
    Effect.gen(function* () {
      const late = Stream.fromEffect(Effect.delay(Effect.succeed(Buffer.from("b")), "1500 millis"))
      const found = yield* inspect("txt", Stream.concat(bytes("a"), late))
      assert.strictEqual(found._tag, "Passed")
    }).pipe(Effect.provide(hostile))
  )
})

describe("what is no fault of the file", () => {
  const failureOf = (exit: Exit.Exit<unknown, unknown>) =>
    Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

  it.scopedLive("fails: a check that breaks, and then the next file passes", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(inspect("txt", bytes("fail")))
      const failure = failureOf(exit)
      assert(failure instanceof InspectionFailure)
      assert.include(String(failure.cause), "a fault in a check")
      assert.strictEqual((yield* inspect("txt", bytes("harmless")))._tag, "Passed")
    }).pipe(Effect.provide(hostile))
  )

  it.scopedLive("fails: a program that is not there", () =>
    Effect.gen(function* () {
      assert.instanceOf(failureOf(yield* Effect.exit(inspect("txt", bytes("a")))), InspectionFailure)
    }).pipe(
      Effect.provide(ArtifactInspector.layer({ program: new URL("./threads/Nowhere.mjs", import.meta.url) }))
    )
  )

  it.scopedLive("may be interrupted, and takes its thread along", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const content = Stream.concat(
        bytes("harmless"),
        Stream.fromEffect(Effect.as(Deferred.succeed(begun, undefined), Buffer.from("hang")))
      )
      const fiber = yield* Effect.fork(inspect("txt", content))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* inspect("txt", bytes("harmless")))._tag, "Passed")
    }).pipe(Effect.provide(hostile))
  )
})
