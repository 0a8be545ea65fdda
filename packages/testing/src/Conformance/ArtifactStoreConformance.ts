import { type ArtifactRange, ArtifactStore } from "@bulkhead/artifacts"
import { ExecutionId, UserId } from "@bulkhead/domain"
import { assert } from "@effect/vitest"
import { Effect, Exit, type Layer, Option, Stream } from "effect"
import * as Case from "./Case.js"

const id = ExecutionId.make("exec_one")
const other = ExecutionId.make("exec_two")
const [ann, bob] = [UserId.make("ann"), UserId.make("bob")]

/** An artifact of ann's. */
const artifact = (executionId: ExecutionId, name: string, size: number) => ({
  executionId,
  userId: ann,
  name,
  size
})

const bytes = (...texts: ReadonlyArray<string>) =>
  Stream.fromIterable(texts.map((text) => new TextEncoder().encode(text)))

const textOf = <E>(content: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(content), (pieces) => Buffer.concat([...pieces]).toString())

const keep = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  name: string,
  text: string,
  userId: UserId = ann
) {
  const size = Buffer.byteLength(text)
  const staged = yield* (yield* ArtifactStore).stage({ executionId, userId, name, size }, bytes(text))
  yield* staged.keep
}, Effect.scoped)

const read = Effect.fnUntraced(function* (executionId: ExecutionId, name: string, range?: ArtifactRange) {
  const stored = yield* (yield* ArtifactStore).open(executionId, name, range)
  return yield* Effect.transposeMapOption(stored, ({ content, size }) =>
    Effect.map(textOf(content), (text) => ({ size, text }))
  )
})

/** The text of an artifact, if it is kept. */
const keptText = (executionId: ExecutionId, name: string, range?: ArtifactRange) =>
  Effect.map(read(executionId, name, range), (found) => Option.getOrUndefined(found)?.text)

const { promises } = Case

/** What every `ArtifactStore` does. */
export const cases: ReadonlyArray<Case.Case<ArtifactStore>> = [
  promises(
    "stages a file, tells its size, reads it back, and keeps it when asked, not before",
    Effect.gen(function* () {
      const staged = yield* (yield* ArtifactStore).stage(artifact(id, "d/a.txt", 7), bytes("one ", "", "two"))
      assert.strictEqual(staged.size, 7)
      assert.strictEqual(yield* textOf(staged.content), "one two")
      assert.isTrue(Option.isNone(yield* read(id, "d/a.txt")))
      yield* staged.keep
      const kept = { size: 7, text: "one two" }
      assert.deepStrictEqual(Option.getOrUndefined(yield* read(id, "d/a.txt")), kept)
    })
  ),
  promises(
    "keeps files of no bytes and of many, each byte of them",
    Effect.gen(function* () {
      const store = yield* ArtifactStore
      const piece = Uint8Array.from({ length: 65_536 }, (_, index) => (index * 7) % 251)
      const large = Buffer.concat(Array.from({ length: 64 }, () => piece))
      const keepAll = (name: string, size: number, content: Stream.Stream<Uint8Array>) =>
        Effect.scoped(Effect.flatMap(store.stage(artifact(id, name, size), content), ({ keep }) => keep))
      yield* keepAll("empty.txt", 0, Stream.empty)
      yield* keepAll("large.bin", large.length, Stream.fromIterable(Array.from({ length: 64 }, () => piece)))
      assert.strictEqual((yield* read(id, "empty.txt")).pipe(Option.getOrThrow).size, 0)
      const { content, size } = Option.getOrThrow(yield* store.open(id, "large.bin"))
      assert.strictEqual(size, large.length)
      const whole = Buffer.concat([...(yield* Stream.runCollect(content))])
      assert.isTrue(whole.equals(large), "it is not what was staged")
    })
  ),
  promises(
    "gives the part that is asked for, of what outlives its staging",
    Effect.gen(function* () {
      yield* keep(id, "a.txt", "0123456789")
      const part = (range: ArtifactRange) => keptText(id, "a.txt", range)
      assert.strictEqual(yield* part({ offset: 3 }), "3456789")
      assert.strictEqual(yield* part({ offset: 3, length: 2 }), "34")
      assert.strictEqual(yield* part({ offset: 8, length: 100 }), "89")
      assert.strictEqual(yield* part({ offset: 10 }), "")
      assert.strictEqual(yield* part({ offset: 11, length: 5 }), "")
      assert.strictEqual((yield* read(id, "a.txt", { offset: 3 })).pipe(Option.getOrThrow).size, 10)
    })
  ),
  promises(
    "tells artifacts apart by execution and by name, and replaces one by the next of its name",
    Effect.gen(function* () {
      yield* keep(id, "a.txt", "first")
      yield* keep(id, "a.txt", "second")
      yield* keep(id, "A.txt", "upper")
      yield* keep(other, "a.txt", "other")
      assert.strictEqual(yield* keptText(id, "a.txt"), "second")
      assert.strictEqual(yield* keptText(id, "A.txt"), "upper")
      assert.strictEqual(yield* keptText(other, "a.txt"), "other")
    })
  ),
  promises(
    "takes any name for a name, and never for a place",
    Effect.gen(function* () {
      const names = [
        "../../../escape.txt",
        "/etc/passwd",
        "..",
        "a//b.txt",
        "ü\u0000\n.txt",
        "n".repeat(2000)
      ]
      for (const name of names) yield* keep(id, name, `text of ${name}`)
      for (const name of names) assert.strictEqual(yield* keptText(id, name), `text of ${name}`)
    })
  ),
  promises(
    "removes all of one execution and nothing of others, also when there is nothing",
    Effect.gen(function* () {
      const { remove } = yield* ArtifactStore
      yield* remove(id)
      yield* keep(id, "a.txt", "a")
      yield* keep(id, "b.txt", "b")
      yield* keep(other, "a.txt", "other")
      yield* remove(id)
      yield* remove(id)
      assert.isUndefined(yield* keptText(id, "a.txt"))
      assert.isUndefined(yield* keptText(id, "b.txt"))
      assert.strictEqual(yield* keptText(other, "a.txt"), "other")
    })
  ),
  promises(
    "keeps nothing of a file whose content failed, and fails as that did",
    Effect.gen(function* () {
      const { stage } = yield* ArtifactStore
      yield* keep(id, "a.txt", "before")
      const broken = Stream.concat(bytes("one"), Stream.fail("broken"))
      const exit = yield* Effect.exit(Effect.scoped(stage(artifact(id, "a.txt", 6), broken)))
      assert.deepStrictEqual(
        Exit.map(exit, () => "staged"),
        Exit.fail("broken")
      )
      assert.strictEqual(yield* keptText(id, "a.txt"), "before")
    })
  ),
  promises(
    "keeps nothing that nobody kept",
    Effect.gen(function* () {
      const { stage } = yield* ArtifactStore
      yield* Effect.scoped(stage(artifact(id, "a.txt", 3), bytes("one")))
      assert.isUndefined(yield* keptText(id, "a.txt"))
    })
  ),
  promises(
    "tells how many bytes a user's artifacts take, and all, when some are replaced, refused, dropped or removed",
    Effect.gen(function* () {
      const { remove, stage, taken } = yield* ArtifactStore
      const all = Effect.all([taken(ann), taken(bob), taken()])
      assert.deepStrictEqual(yield* all, [0, 0, 0])
      yield* keep(id, "a.txt", "1234")
      yield* keep(id, "b.txt", "12345678")
      yield* keep(other, "a.txt", "12", bob)
      assert.deepStrictEqual(yield* all, [12, 2, 14])
      yield* keep(id, "b.txt", "1")
      const broken = Stream.concat(bytes("one"), Stream.fail("broken"))
      yield* Effect.ignore(Effect.scoped(stage(artifact(id, "c.txt", 6), broken)))
      yield* Effect.scoped(stage(artifact(id, "c.txt", 3), bytes("one")))
      assert.deepStrictEqual(yield* all, [5, 2, 7])
      yield* remove(id)
      yield* remove(id)
      assert.deepStrictEqual(yield* all, [0, 2, 2])
    })
  ),
  promises(
    "stages many files at once, also of one name",
    Effect.gen(function* () {
      const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`)
      yield* Effect.forEach(texts, (text, index) => keep(id, `${index}.txt`, text), { concurrency: 20 })
      yield* Effect.forEach(texts, (text) => keep(other, "a.txt", text), { concurrency: 20 })
      const found = yield* Effect.forEach(texts, (_, index) => keptText(id, `${index}.txt`))
      assert.deepStrictEqual(found, texts)
      assert.include(texts, yield* keptText(other, "a.txt"))
    })
  )
]

/** Registers a test for each promise of an `ArtifactStore`. Each time the layer is built, the store must be empty. */
export const suite = <E>(
  title: string,
  layer: Layer.Layer<ArtifactStore, E>,
  options: Case.SuiteOptions = {}
): void => Case.register(title, cases, layer, options)
