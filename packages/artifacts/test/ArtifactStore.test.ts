import { execFileSync } from "node:child_process"
import { hash } from "node:crypto"
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { ArtifactStore, FileArtifactStore, type SpaceLimits } from "@bulkhead/artifacts"
import { ExecutionId, UserId } from "@bulkhead/domain"
import { ArtifactStoreConformance } from "@bulkhead/testing/conformance"
import { FileSystem, Error as PlatformError } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, Exit, Layer, Option, Ref, Stream } from "effect"

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
const ann = UserId.make("ann")
const artifact = (name: string, size: number, executionId = id, userId = ann) => ({
  executionId,
  userId,
  name,
  size
})
const bytes = (...texts: ReadonlyArray<string>) =>
  Stream.fromIterable(texts.map((text) => new TextEncoder().encode(text)))

const keep = Effect.fnUntraced(function* (executionId: ExecutionId, name: string, text: string) {
  const staged = yield* (yield* ArtifactStore).stage(
    artifact(name, Buffer.byteLength(text), executionId),
    bytes(text)
  )
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
      yield* Effect.ignore(Effect.scoped((yield* ArtifactStore).stage(artifact("a.txt", 6), broken)))
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
      const failure = yield* Effect.flip(Effect.scoped(store.stage(artifact("a.txt", 1), bytes("a"))))
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
      const failure = yield* Effect.flip(Effect.scoped(store.stage(artifact("a.txt", 1), bytes("a"))))
      assert.deepInclude(failure, { _tag: "ArtifactStoreFailure", reason: "Unavailable" })
    }).pipe(Effect.provide(layer))
  )
})

describe("the space of artifacts", () => {
  const mine = inRoot.pipe(Layer.provideMerge(Root.layer), Layer.provideMerge(NodeFileSystem.layer))
  const kilobyte = "x".repeat(1024)
  const bob = UserId.make("bob")
  const storeWith = (limits: SpaceLimits, name = "store") =>
    Effect.flatMap(Root, (root) =>
      Effect.map(Layer.build(FileArtifactStore.layer(join(root, name), limits)), Context.get(ArtifactStore))
    )
  const execution = (index: number) => ExecutionId.make(`exec_${index}`)
  const keepIn = (store: ArtifactStore["Type"], index: number, userId = ann) =>
    Effect.scoped(
      Effect.flatMap(
        store.stage(artifact("a.txt", 1024, execution(index), userId), bytes(kilobyte)),
        ({ keep }) => keep
      )
    )

  it.scoped("is taken before a file is read, by no more files than fit, however many come at once", () =>
    Effect.gen(function* () {
      const store = yield* storeWith({ eachUser: 10_240, all: 15_360 })
      const first = yield* Effect.forEach(
        Array.from({ length: 30 }, (_, index) => index),
        (index) => Effect.either(keepIn(store, index)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(first.filter(Either.isRight).length, 10)
      const second = yield* Effect.forEach(
        Array.from({ length: 30 }, (_, index) => 100 + index),
        (index) => Effect.either(keepIn(store, index, bob)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(second.filter(Either.isRight).length, 5)
      const unread = Stream.dieMessage("nobody reads what does not fit")
      const refused = (size: number, userId: UserId) =>
        Effect.flip(Effect.scoped(store.stage(artifact("b.txt", size, id, userId), unread)))
      assert.deepInclude(yield* refused(1, ann), { reason: "UserQuota", limit: 10_240 })
      assert.deepInclude(yield* refused(1, bob), { reason: "Quota", limit: 15_360 })
      assert.deepStrictEqual(
        yield* Effect.all([store.taken(ann), store.taken(bob), store.taken()]),
        [10_240, 5120, 15_360]
      )
      yield* store.remove(execution(100))
      yield* keepIn(store, 200, bob)
    }).pipe(Effect.provide(mine))
  )

  it.scoped("is known after a restart, with what somebody removes while it is counted", () =>
    Effect.gen(function* () {
      const before = yield* storeWith({})
      for (let index = 0; index < 40; index++) yield* keepIn(before, index, index % 4 === 0 ? bob : ann)
      const store = yield* storeWith({ eachUser: 31_744 })
      yield* Effect.forEach([39, 0, 1, 38, 20], (index) => store.remove(execution(index)), { discard: true })
      const left = yield* Effect.exit(keepIn(store, 100))
      assert.isTrue(Exit.isSuccess(left))
      assert.deepStrictEqual(yield* Effect.all([store.taken(ann), store.taken(bob)]), [28 * 1024, 8 * 1024])
    }).pipe(Effect.provide(mine))
  )

  const broken = new PlatformError.SystemError({ reason: "Unknown", module: "FileSystem", method: "any" })

  /** Another store in the same directory, on a disk on which some of what is done fails. */
  const storeOn = (change: (files: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) =>
    Effect.provide(
      storeWith({}),
      Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (files) => ({ ...files, ...change(files) }))
      )
    )

  it.scoped("stays taken where a removal fails, until that can be removed", () =>
    Effect.gen(function* () {
      const before = yield* storeWith({})
      for (let index = 0; index < 40; index++) yield* keepIn(before, index)
      const second = artifact("b.txt", 1024, execution(0))
      yield* Effect.scoped(Effect.flatMap(before.stage(second, bytes(kilobyte)), ({ keep }) => keep))
      const isBroken = yield* Ref.make(true)
      /** Of two files one can be removed, in whatever way that is tried. */
      const halfDone = (path: string) => {
        rmSync(join(path, hash("sha256", "b.txt")), { force: true })
        return broken
      }
      const store = yield* storeOn((files) => ({
        remove: (path, options) =>
          Effect.flatMap(Ref.get(isBroken), (fails) => {
            if (!fails || !path.includes("/kept/")) return files.remove(path, options)
            if (options?.recursive) return Effect.suspend(() => halfDone(path))
            return readdirSync(dirname(path)).length < 3 ? broken : files.remove(path, options)
          })
      }))
      const removeEach = (...indices: ReadonlyArray<number>) =>
        Effect.forEach(indices, (index) => Effect.either(store.remove(execution(index))))
      // While they are counted, and afterwards.
      assert.isTrue((yield* removeEach(39, 1, 38, 20)).every(Either.isLeft))
      yield* keepIn(store, 100)
      assert.strictEqual(yield* store.taken(ann), 42 * 1024)
      assert.isTrue((yield* removeEach(0, 39)).every(Either.isLeft))
      assert.strictEqual(yield* store.taken(ann), 41 * 1024)
      yield* Ref.set(isBroken, false)
      assert.isTrue((yield* removeEach(0, 39, 1, 38, 20)).every(Either.isRight))
      assert.strictEqual(yield* store.taken(ann), 36 * 1024)
    }).pipe(Effect.provide(mine))
  )

  it.scoped("is not given back by what could not be counted", () =>
    Effect.gen(function* () {
      const before = yield* storeWith({})
      yield* keepIn(before, 0)
      yield* keepIn(before, 1)
      const isBroken = yield* Ref.make(true)
      const store = yield* storeOn((files) => ({
        readFileString: (path, encoding) =>
          Effect.flatMap(Ref.getAndSet(isBroken, false), (fails) =>
            fails ? broken : files.readFileString(path, encoding)
          )
      }))
      yield* keepIn(store, 2)
      assert.strictEqual(yield* store.taken(ann), 2048)
      yield* store.remove(execution(0))
      yield* store.remove(execution(1))
      assert.deepStrictEqual(yield* Effect.all([store.taken(ann), store.taken()]), [1024, 1024])
    }).pipe(Effect.provide(mine))
  )

  it.scoped("counts what is from before it was known whose it is, for all and for nobody", () =>
    Effect.gen(function* () {
      const before = yield* storeWith({})
      yield* keepIn(before, 1)
      const files = everything(join(yield* Root, "store", "kept"))
      for (const file of files.filter((path) => path.endsWith("/user"))) rmSync(file)
      const store = yield* storeWith({})
      yield* keepIn(store, 2, bob)
      assert.deepStrictEqual(
        yield* Effect.all([store.taken(ann), store.taken(bob), store.taken()]),
        [0, 1024, 2048]
      )
    }).pipe(Effect.provide(mine))
  )

  const tmpfs = (directory: string, bytes: number) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        mkdirSync(directory)
        execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory])
      }),
      () => Effect.sync(() => execFileSync("umount", [directory]))
    )

  it.effect.skipIf(process.getuid?.() !== 0)(
    "ends where the disk is full, and leaves no part of a file there",
    () =>
      Effect.gen(function* () {
        const root = join(yield* Root, "disk")
        yield* tmpfs(root, 1_048_576)
        const store = yield* storeWith({}, "disk")
        const piece = new Uint8Array(65_536)
        const large = Stream.repeatEffect(Effect.succeed(piece)).pipe(Stream.take(32))
        const failure = yield* Effect.flip(Effect.scoped(store.stage(artifact("a.bin", 32 * 65_536), large)))
        assert.deepInclude(failure, { _tag: "ArtifactStoreFailure", reason: "NoSpace" })
        assert.deepStrictEqual(readdirSync(join(root, "staging")), [])
        assert.strictEqual(yield* store.taken(), 0)
        yield* keepIn(store, 1)
        assert.strictEqual(yield* store.taken(ann), 1024)
      }).pipe(Effect.scoped, Effect.provide(mine))
  )
})
