import { type ArtifactRange, ArtifactStore } from "@bulkhead/artifacts"
import { ExecutionId, UserId } from "@bulkhead/domain"
import { assert } from "@effect/vitest"
import { Context, Deferred, Effect, Either, Exit, Fiber, type Layer, Option, Stream } from "effect"
import * as Case from "./Case.js"

const id = ExecutionId.make("exec_one")
const second = ExecutionId.make("exec_two")
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
      yield* keep(second, "a.txt", "other")
      assert.strictEqual(yield* keptText(id, "a.txt"), "second")
      assert.strictEqual(yield* keptText(id, "A.txt"), "upper")
      assert.strictEqual(yield* keptText(second, "a.txt"), "other")
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
      yield* keep(second, "a.txt", "other")
      yield* remove(id)
      yield* remove(id)
      assert.isUndefined(yield* keptText(id, "a.txt"))
      assert.isUndefined(yield* keptText(id, "b.txt"))
      assert.strictEqual(yield* keptText(second, "a.txt"), "other")
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
    "leaves nothing of a file that was interrupted as it came",
    Effect.gen(function* () {
      const { stage, taken } = yield* ArtifactStore
      const isRead = yield* Deferred.make<void>()
      const endless = Stream.concat(
        bytes("one"),
        Stream.fromEffect(Effect.zipRight(Deferred.succeed(isRead, undefined), Effect.never))
      )
      const staging = yield* Effect.fork(Effect.scoped(stage(artifact(id, "a.txt", 6), endless)))
      yield* Effect.raceFirst(Deferred.await(isRead), Fiber.await(staging))
      yield* Fiber.interrupt(staging)
      assert.isUndefined(yield* keptText(id, "a.txt"))
      assert.strictEqual(yield* taken(), 0)
      yield* keep(id, "a.txt", "again")
      assert.strictEqual(yield* keptText(id, "a.txt"), "again")
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
      yield* keep(second, "a.txt", "12", bob)
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
      yield* Effect.forEach(texts, (text) => keep(second, "a.txt", text), { concurrency: 20 })
      const found = yield* Effect.forEach(texts, (_, index) => keptText(id, `${index}.txt`))
      assert.deepStrictEqual(found, texts)
      assert.include(texts, yield* keptText(second, "a.txt"))
    })
  )
]

/** Registers a test for each promise of an `ArtifactStore`. Each time the layer is built, the store must be empty. */
export const suite = <E>(
  title: string,
  layer: Layer.Layer<ArtifactStore, E>,
  options: Case.SuiteOptions = {}
): void => Case.register(title, cases, layer, options)

type Store = Context.Tag.Service<ArtifactStore>

/** Two stores that share what they keep, as those of two servers. Each user's artifacts may take `sharedRoom`. */
export class SharedStores extends Context.Tag("@bulkhead/testing/SharedStores")<
  SharedStores,
  { readonly one: Store; readonly other: Store }
>() {}

const megabyte = 1_048_576

/** Bytes that each user's artifacts may take, of both stores together. */
export const sharedRoom = 8 * megabyte

const by = (store: Store) => Effect.provideService(ArtifactStore, store)

const piecesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => new Uint8Array(megabyte).fill(index + 1))

const keepPieces = (store: Store, name: string, count: number) =>
  Effect.scoped(
    Effect.flatMap(
      store.stage(artifact(id, name, count * megabyte), Stream.fromIterable(piecesOf(count))),
      ({ keep }) => keep
    )
  )

/** Reads an artifact while something happens after so many pieces: its bytes, or that it failed. */
const readDuring = Effect.fnUntraced(function* <E>(
  store: Store,
  name: string,
  after: number,
  happening: Effect.Effect<void, E>
) {
  const { content } = Option.getOrThrow(yield* store.open(id, name))
  if (after === 0) yield* happening
  const read = Stream.zipWithIndex(content).pipe(
    Stream.tap(([, index]) => (index + 1 === after ? happening : Effect.void)),
    Stream.map(([bytes]) => bytes),
    Stream.runCollect
  )
  return Either.map(yield* Effect.either(read), (pieces) => Buffer.concat([...pieces]))
})

/** What two `ArtifactStore`s do that share what they keep. */
export const sharedCases: ReadonlyArray<Case.Case<SharedStores>> = [
  promises(
    "one gives and counts what the other keeps",
    Effect.gen(function* () {
      const { one, other } = yield* SharedStores
      yield* by(one)(keep(id, "a.txt", "text"))
      assert.strictEqual(yield* by(other)(keptText(id, "a.txt")), "text")
      assert.deepStrictEqual(yield* Effect.all([other.taken(ann), other.taken()]), [4, 4])
      yield* by(other)(keep(id, "a.txt", "longer text"))
      assert.strictEqual(yield* by(one)(keptText(id, "a.txt")), "longer text")
      assert.deepStrictEqual(yield* Effect.all([one.taken(ann), one.taken()]), [11, 11])
    })
  ),
  promises(
    "of what both keep under one name at once one stays, whole, and takes room once",
    Effect.gen(function* () {
      const { one, other } = yield* SharedStores
      const texts = Array.from({ length: 10 }, (_, index) => `text ${index}`)
      yield* Effect.forEach(texts, (text, index) => by(index % 2 ? one : other)(keep(id, "a.txt", text)), {
        concurrency: 10
      })
      const [mine, yours] = yield* Effect.all([
        by(one)(keptText(id, "a.txt")),
        by(other)(keptText(id, "a.txt"))
      ])
      assert.include(texts, mine)
      assert.strictEqual(yours, mine)
      assert.strictEqual(yield* one.taken(), 6)
    })
  ),
  promises(
    "together they give no more room than there is, however many come at once",
    Effect.gen(function* () {
      const { one, other } = yield* SharedStores
      const kept = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => index),
        (index) => Effect.either(keepPieces(index % 2 ? one : other, `${index}.bin`, 1)),
        { concurrency: 12 }
      )
      assert.strictEqual(kept.filter(Either.isRight).length, 8)
      for (const { left } of kept.filter(Either.isLeft))
        assert.deepInclude(left, { reason: "UserQuota", limit: sharedRoom })
      assert.deepStrictEqual(yield* Effect.all([one.taken(ann), other.taken()]), [sharedRoom, sharedRoom])
    })
  ),
  promises(
    "what both remove at once is gone from both, and its room is given back once",
    Effect.gen(function* () {
      const { one, other } = yield* SharedStores
      yield* by(one)(keep(id, "a.txt", "one"))
      yield* by(other)(keep(id, "b.txt", "two"))
      yield* by(one)(keep(second, "a.txt", "stays"))
      yield* Effect.all([one.remove(id), other.remove(id), one.remove(id)], { concurrency: 3 })
      for (const store of [one, other]) {
        assert.isUndefined(yield* by(store)(keptText(id, "a.txt")))
        assert.isUndefined(yield* by(store)(keptText(id, "b.txt")))
        assert.strictEqual(yield* by(store)(keptText(second, "a.txt")), "stays")
        assert.strictEqual(yield* store.taken(), 5)
      }
    })
  ),
  promises(
    "who reads what the other removes gets all of it, or a failure",
    Effect.gen(function* () {
      const { one, other } = yield* SharedStores
      for (const after of [0, 1]) {
        yield* keepPieces(one, "a.bin", 6)
        const read = yield* readDuring(one, "a.bin", after, other.remove(id))
        if (Either.isRight(read))
          assert.isTrue(read.right.equals(Buffer.concat(piecesOf(6))), "it is cut short")
        assert.strictEqual(yield* one.taken(), 0)
      }
    })
  )
]

/**
 * Registers a test for each promise of two `ArtifactStore`s that share what they keep. Each time the layer is built,
 * they must be empty.
 */
export const sharedSuite = <E>(
  title: string,
  layer: Layer.Layer<SharedStores, E>,
  options: Case.SuiteOptions = {}
): void => Case.register(title, sharedCases, layer, options)
