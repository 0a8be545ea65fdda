import { readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ArtifactStore, FileArtifactStore } from "@bulkhead/artifacts"
import { ExecutionId } from "@bulkhead/domain"
import { ArtifactStoreConformance } from "@bulkhead/testing/conformance"
import { FileSystem, Error as PlatformError } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Stream } from "effect"

class Root extends Context.Tag("Root")<Root, string>() {
  static readonly layer = Layer.scoped(
    Root,
    Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
  )
}

const inRoot = Layer.unwrapEffect(Effect.map(Root, (root) => FileArtifactStore.layer(join(root, "store"))))
ArtifactStoreConformance.suite("ArtifactStore.layerMemory", ArtifactStore.layerMemory)
ArtifactStoreConformance.suite(
  "FileArtifactStore",
  inRoot.pipe(Layer.provide(Root.layer), Layer.provide(NodeFileSystem.layer))
)

const id = ExecutionId.make("exec_one")
const bytes = (...texts: ReadonlyArray<string>) =>
  Stream.fromIterable(texts.map((text) => new TextEncoder().encode(text)))

const keep = Effect.fnUntraced(function* (executionId: ExecutionId, name: string, text: string) {
  const staged = yield* (yield* ArtifactStore).stage(executionId, name, bytes(text))
  yield* staged.keep
}, Effect.scoped)

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
      assert.isTrue(Option.isSome(yield* (yield* ArtifactStore).open(id, "a.txt")))
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
