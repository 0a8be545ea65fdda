import { createHash } from "node:crypto"
import { readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ArtifactStore, FileArtifactStore } from "@bulkhead/artifacts"
import { ExecutionId } from "@bulkhead/domain"
import { FileSystem, Error as PlatformError } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Option, Stream } from "effect"

class Root extends Context.Tag("Root")<Root, string>() {
  static readonly layer = Layer.scoped(
    Root,
    Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
  )
}

const inRoot = Layer.unwrapEffect(Effect.map(Root, (root) => FileArtifactStore.layer(join(root, "store"))))
const layers = {
  memory: ArtifactStore.layerMemory,
  files: inRoot.pipe(Layer.provide(Root.layer), Layer.provide(NodeFileSystem.layer))
}

const id = ExecutionId.make("exec_one")
const other = ExecutionId.make("exec_two")
const bytes = (...texts: ReadonlyArray<string>) =>
  Stream.fromIterable(texts.map((text) => new TextEncoder().encode(text)))

const textOf = <E>(content: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(content), (pieces) => Buffer.concat([...pieces]).toString())

const keep = Effect.fnUntraced(function* (executionId: ExecutionId, name: string, text: string) {
  const staged = yield* (yield* ArtifactStore).stage(executionId, name, bytes(text))
  yield* staged.keep
}, Effect.scoped)

const read = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  name: string,
  range?: { offset: number; length?: number }
) {
  const stored = yield* (yield* ArtifactStore).open(executionId, name, range)
  return yield* Effect.transposeMapOption(stored, ({ content, mediaType, size }) =>
    Effect.map(textOf(content), (text) => ({ mediaType, size, text }))
  )
})

for (const [name, layer] of Object.entries(layers)) {
  describe(`artifacts kept in ${name}`, () => {
    it.scoped("are staged, read back, kept and opened", () =>
      Effect.gen(function* () {
        const staged = yield* (yield* ArtifactStore).stage(id, "d/a.txt", bytes("one ", "", "two"))
        assert.strictEqual(staged.size, 7)
        assert.strictEqual(staged.sha256, createHash("sha256").update("one two").digest("hex"))
        assert.strictEqual(yield* textOf(staged.content), "one two")
        assert.isTrue(Option.isNone(yield* read(id, "d/a.txt")))
        yield* staged.keep
        const kept = { mediaType: "text/plain; charset=utf-8", size: 7, text: "one two" }
        assert.deepStrictEqual(yield* read(id, "d/a.txt"), Option.some(kept))
      }).pipe(Effect.provide(layer))
    )

    it.effect("outlive their staging, and give the part that is asked for", () =>
      Effect.gen(function* () {
        yield* keep(id, "a.txt", "0123456789")
        const part = (offset: number, length?: number) =>
          Effect.map(read(id, "a.txt", { offset, ...(length === undefined ? {} : { length }) }), (found) =>
            Option.getOrThrow(Option.map(found, ({ text }) => text))
          )
        assert.strictEqual(yield* part(3), "3456789")
        assert.strictEqual(yield* part(3, 2), "34")
        assert.strictEqual(yield* part(8, 100), "89")
        assert.strictEqual(yield* part(10), "")
        assert.strictEqual(yield* part(11, 5), "")
      }).pipe(Effect.provide(layer))
    )

    it.effect("are told apart by execution and by name, and replaced by the next of their name", () =>
      Effect.gen(function* () {
        yield* keep(id, "a.txt", "first")
        yield* keep(id, "a.txt", "second")
        yield* keep(id, "b.txt", "b")
        yield* keep(other, "a.txt", "other")
        const text = (executionId: ExecutionId, name: string) =>
          Effect.map(
            read(executionId, name),
            Option.map(({ text }) => text)
          )
        assert.deepStrictEqual(yield* text(id, "a.txt"), Option.some("second"))
        assert.deepStrictEqual(yield* text(other, "a.txt"), Option.some("other"))
        yield* (yield* ArtifactStore).remove(id)
        yield* (yield* ArtifactStore).remove(id)
        assert.deepStrictEqual(yield* text(id, "a.txt"), Option.none())
        assert.deepStrictEqual(yield* text(id, "b.txt"), Option.none())
        assert.deepStrictEqual(yield* text(other, "a.txt"), Option.some("other"))
      }).pipe(Effect.provide(layer))
    )

    it.effect("are not there when their content failed, or nobody kept them", () =>
      Effect.gen(function* () {
        const store = yield* ArtifactStore
        const broken = Stream.concat(bytes("one"), Stream.fail("broken"))
        assert.deepStrictEqual(
          yield* Effect.exit(Effect.scoped(store.stage(id, "a.txt", broken))),
          Exit.fail("broken")
        )
        yield* Effect.scoped(store.stage(id, "a.txt", bytes("one")))
        assert.isTrue(Option.isNone(yield* read(id, "a.txt")))
      }).pipe(Effect.provide(layer))
    )
  })
}

const everything = (directory: string) =>
  readdirSync(directory, { recursive: true, withFileTypes: true }).map((entry) =>
    join(entry.parentPath, entry.name)
  )

describe("the directory of artifacts", () => {
  const layer = inRoot.pipe(Layer.provideMerge(Root.layer), Layer.provideMerge(NodeFileSystem.layer))

  it.effect("is readable by nobody else, and says nothing of names", () =>
    Effect.gen(function* () {
      const root = yield* Root
      yield* keep(id, "../../../escape.txt", "a")
      yield* keep(id, "secret-name.txt", "a")
      assert.deepStrictEqual(readdirSync(root), ["store"])
      const paths = everything(root)
      assert.notMatch(paths.join("\n"), /escape|secret|exec_one/)
      for (const path of paths) {
        const stat = statSync(path)
        assert.strictEqual(stat.mode & 0o777, stat.isDirectory() ? 0o700 : 0o600, path)
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("has nothing left of what was staged, not even after a crash", () =>
    Effect.gen(function* () {
      const store = join(yield* Root, "store")
      const staging = join(store, "staging")
      const broken = Stream.concat(bytes("one"), Stream.fail("broken"))
      yield* Effect.ignore(Effect.scoped((yield* ArtifactStore).stage(id, "a.txt", broken)))
      assert.deepStrictEqual(readdirSync(staging), [])
      yield* keep(id, "a.txt", "a")
      writeFileSync(join(staging, "left"), "left")
      yield* Layer.build(FileArtifactStore.layer(store))
      assert.deepStrictEqual(readdirSync(staging), [])
      assert.isTrue(Option.isSome(yield* read(id, "a.txt")))
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  /** A disk on which nothing more finds room. */
  const full = Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (files) => {
      const noSpace = new PlatformError.SystemError({
        reason: "Unknown",
        module: "FileSystem",
        method: "writeAll",
        cause: Object.assign(new Error("no space"), { code: "ENOSPC" })
      })
      return {
        ...files,
        open: (path: string, options?: FileSystem.OpenFileOptions) =>
          Effect.map(files.open(path, options), (file) =>
            Object.assign(Object.create(file), { writeAll: () => Effect.fail(noSpace) })
          )
      } as FileSystem.FileSystem
    })
  ).pipe(Layer.provide(NodeFileSystem.layer))

  it.effect("says when there is no room", () =>
    Effect.gen(function* () {
      const store = yield* ArtifactStore
      const failure = yield* Effect.flip(Effect.scoped(store.stage(id, "a.txt", bytes("a"))))
      assert.deepInclude(failure, { _tag: "ArtifactStoreFailure", reason: "NoSpace" })
      assert.deepStrictEqual(readdirSync(join(yield* Root, "store", "staging")), [])
    }).pipe(
      Effect.provide(
        inRoot.pipe(Layer.provideMerge(Root.layer), Layer.provide(full), Layer.provide(NodeFileSystem.layer))
      )
    )
  )

  it.effect("says when it is gone", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      yield* files.remove(join(yield* Root, "store"), { recursive: true })
      const store = yield* ArtifactStore
      const failure = yield* Effect.flip(Effect.scoped(store.stage(id, "a.txt", bytes("a"))))
      assert.deepInclude(failure, { _tag: "ArtifactStoreFailure", reason: "Unavailable" })
    }).pipe(Effect.provide(layer))
  )
})
