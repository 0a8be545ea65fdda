import { execFileSync } from "node:child_process"
import { hash } from "node:crypto"
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FileId, UserId } from "@bulkhead/domain"
import { Uploads } from "@bulkhead/sandbox"
import { FileSystem } from "@effect/platform"
import { SystemError } from "@effect/platform/Error"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Scope, Stream, TestClock } from "effect"
import * as FileUploads from "../src/FileUploads.js"

const ann = UserId.make("ann")
const bob = UserId.make("bob")

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "bulkhead-uploads-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** One life of a server on a directory. */
const life = <A, E, R>(path: string, use: Effect.Effect<A, E, R>, options: FileUploads.UploadOptions = {}) =>
  Effect.provide(use, Layer.provide(FileUploads.layer(path, options), NodeContext.layer))

const pieces = (...texts: ReadonlyArray<string>) =>
  Stream.fromIterable(texts.map((text) => new TextEncoder().encode(text)))

/** Every file beneath a directory, whatever it is called. */
const filesIn = (path: string): ReadonlyArray<string> =>
  readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(path, name)).isFile()
  )

const keep = (userId: UserId, name: string, ...texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { stage } = yield* Uploads
    const staged = yield* stage(Option.some(userId), pieces(...texts))
    return yield* staged.keep(name, userId)
  }).pipe(Effect.scoped)

const textOf = (userId: UserId, fileId: FileId) =>
  Effect.gen(function* () {
    const { hold } = yield* Uploads
    const found = yield* hold(userId, fileId)
    return Option.isNone(found) ? undefined : yield* Effect.promise(() => found.value.content.text())
  }).pipe(Effect.scoped)

const megabyte = 1_048_576

describe("a file that is taken in", () => {
  it.scoped("is there under its id until its scope closes, for its owner alone", () =>
    Effect.gen(function* () {
      const path = yield* directory
      yield* life(
        path,
        Effect.gen(function* () {
          const { find, hold, list, stage, taken } = yield* Uploads
          const scope = yield* Scope.make()
          const { bytes, fileId, sha256 } = yield* Scope.extend(
            stage(Option.some(ann), pieces("one, ", "two")),
            scope
          )
          assert.strictEqual(bytes, 8)
          assert.strictEqual(sha256, hash("sha256", "one, two"))
          assert.strictEqual(yield* textOf(ann, fileId), "one, two")
          assert.isTrue(Option.isNone(yield* Effect.scoped(hold(bob, fileId))))
          // It is not kept.
          assert.deepStrictEqual(yield* list(ann), [])
          assert.isTrue(Option.isNone(yield* find(ann, fileId)))
          assert.strictEqual(yield* taken(ann), 8 + 65_536)
          const [file] = filesIn(path)
          assert.strictEqual(statSync(join(path, file ?? "")).mode & 0o777, 0o600)
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(filesIn(path), [])
          assert.strictEqual(yield* taken(), 0)
          assert.strictEqual(yield* textOf(ann, fileId), undefined)
        })
      )
    })
  )

  it.scoped("stays for who holds it", () =>
    Effect.gen(function* () {
      const path = yield* directory
      yield* life(
        path,
        Effect.gen(function* () {
          const { hold, remove, taken } = yield* Uploads
          const { fileId } = yield* keep(ann, "a.csv", "1,2")
          const held = yield* Scope.make()
          const found = Option.getOrThrow(yield* Scope.extend(hold(ann, fileId), held))
          assert.isFalse(yield* remove(bob, fileId))
          assert.isTrue(yield* remove(ann, fileId))
          assert.isFalse(yield* remove(ann, fileId))
          assert.strictEqual(yield* textOf(ann, fileId), undefined)
          assert.strictEqual(yield* Effect.promise(() => found.content.text()), "1,2")
          assert.strictEqual(yield* taken(), 3 + 65_536)
          yield* Scope.close(held, Exit.void)
          assert.deepStrictEqual(filesIn(path), [])
          assert.strictEqual(yield* taken(), 0)
        })
      )
    })
  )

  it.scoped("leaves nothing when its content fails, or when nobody waits for it any more", () =>
    Effect.gen(function* () {
      const path = yield* directory
      yield* life(
        path,
        Effect.gen(function* () {
          const { stage, taken } = yield* Uploads
          const failing = Stream.concat(pieces("half"), Stream.fail("broken off"))
          assert.strictEqual(
            yield* Effect.flip(Effect.scoped(stage(Option.some(ann), failing))),
            "broken off"
          )
          const begun = yield* Deferred.make<void>()
          const endless = Stream.concat(
            pieces("half"),
            Stream.drain(Stream.fromEffect(Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)))
          )
          const fiber = yield* Effect.fork(Effect.scoped(stage(Option.none(), endless)))
          yield* Deferred.await(begun)
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(filesIn(path), [])
          assert.strictEqual(yield* taken(), 0)
        })
      )
    })
  )

  it.scoped("is refused where it would take more than its user may, or all", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const whole = "x".repeat(megabyte / 2)
      yield* life(
        path,
        Effect.gen(function* () {
          yield* keep(ann, "one", whole)
          assert.include(yield* Effect.flip(keep(ann, "two", whole)), {
            reason: "UserQuota",
            limit: megabyte
          })
          yield* keep(bob, "one", whole)
          assert.include(yield* Effect.flip(keep(bob, "two", "", whole)), { reason: "UserQuota" })
          assert.include(yield* Effect.flip(keep(UserId.make("cid"), "one", whole)), { reason: "Quota" })
          assert.strictEqual(filesIn(path).length, 4)
          assert.strictEqual(yield* (yield* Uploads).taken(), megabyte + 2 * 65_536)
        }),
        { eachUser: megabyte, all: 1.5 * megabyte }
      )
    })
  )
})

describe("a file that is kept", () => {
  it.scoped("is there in the next life, until its time is over", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const kept = yield* life(path, keep(ann, "data/a.csv", "1,2"), { lifetime: "1 hour" })
      assert.include(kept, { name: "data/a.csv", bytes: 3, userId: ann, expiresAt: 3_600_000 })
      yield* TestClock.adjust("59 minutes")
      yield* life(
        path,
        Effect.gen(function* () {
          const { find, list, taken } = yield* Uploads
          assert.deepStrictEqual(yield* list(ann), [kept])
          assert.deepStrictEqual(yield* list(bob), [])
          assert.deepStrictEqual(yield* find(ann, kept.fileId), Option.some(kept))
          assert.strictEqual(yield* textOf(ann, kept.fileId), "1,2")
          assert.strictEqual(yield* taken(ann), 3 + 65_536)
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(yield* textOf(ann, kept.fileId), undefined)
          assert.deepStrictEqual(yield* list(ann), [])
        })
      )
      yield* life(path, Effect.void)
      assert.deepStrictEqual(filesIn(path), [])
    })
  )

  it.scoped("is gone with whatever a crash has left of others", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const { fileId } = yield* life(path, keep(ann, "a", "whole"))
      const other = yield* life(path, keep(ann, "b", "whole"))
      const kept = (name: string) => join(path, "kept", name)
      writeFileSync(join(path, "staging", "half"), "half")
      writeFileSync(kept("file_without_metadata"), "half")
      writeFileSync(kept("file_broken.json"), "{")
      // Its bytes are not those that were kept.
      writeFileSync(kept(other.fileId), "not whole")
      symlinkSync("/etc/passwd", kept(`file_${"0".repeat(32)}`))
      yield* life(
        path,
        Effect.gen(function* () {
          assert.strictEqual(yield* textOf(ann, fileId), "whole")
          assert.strictEqual(yield* textOf(ann, other.fileId), undefined)
        })
      )
      assert.deepStrictEqual(filesIn(path).toSorted(), [`kept/${fileId}`, `kept/${fileId}.json`])
    })
  )
})

/** The file system, where nothing of a file can be read. */
const unreadable = (file: string) =>
  Layer.map(NodeContext.layer, (context) => {
    const files = Context.get(context, FileSystem.FileSystem)
    const failure = new SystemError({ reason: "Unknown", module: "FileSystem", method: "read" })
    const readFileString: typeof files.readFileString = (path, encoding) =>
      path.includes(file) ? Effect.fail(failure) : files.readFileString(path, encoding)
    return Context.add(context, FileSystem.FileSystem, { ...files, readFileString })
  })

it.scoped("a file that cannot be read at a start is there after one at which it can", () =>
  Effect.gen(function* () {
    const path = yield* directory
    const [{ fileId }, other] = yield* life(path, Effect.all([keep(ann, "a", "one"), keep(ann, "b", "two")]))
    yield* Effect.gen(function* () {
      assert.strictEqual(yield* textOf(ann, fileId), undefined)
      assert.strictEqual(yield* textOf(ann, other.fileId), "two")
    }).pipe(Effect.provide(Layer.provide(FileUploads.layer(path), unreadable(fileId))))
    assert.strictEqual(yield* life(path, textOf(ann, fileId)), "one")
  })
)

/** The file system, where some paths cannot be removed as long as the set has their ends. */
const holdingOn = (stuck: ReadonlySet<string>) =>
  Layer.map(NodeContext.layer, (context) => {
    const files = Context.get(context, FileSystem.FileSystem)
    const refusal = new SystemError({
      reason: "PermissionDenied",
      module: "FileSystem",
      method: "remove",
      description: "read-only"
    })
    const remove: typeof files.remove = (path, options) =>
      [...stuck].some((end) => path.endsWith(end)) ? Effect.fail(refusal) : files.remove(path, options)
    return Context.add(context, FileSystem.FileSystem, { ...files, remove })
  })

describe("a file that is removed", () => {
  it.scoped("is not there in the next life either, though somebody used it when this one died", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const remaining = Effect.gen(function* () {
        const { hold, remove } = yield* Uploads
        const { fileId } = yield* keep(ann, "a.csv", "1,2")
        yield* hold(ann, fileId)
        assert.isTrue(yield* remove(ann, fileId))
        return yield* life(
          path,
          Effect.flatMap(Uploads, ({ list }) => list(ann))
        )
      })
      assert.deepStrictEqual(yield* Effect.scoped(life(path, remaining)), [])
    })
  )

  it.scoped("is still there when it cannot be removed", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const stuck = new Set<string>()
      yield* Effect.gen(function* () {
        const { list, remove, taken } = yield* Uploads
        const kept = yield* keep(ann, "a.csv", "1,2")
        stuck.add(kept.fileId).add(`${kept.fileId}.json`)
        assert.include(yield* Effect.flip(remove(ann, kept.fileId)), { reason: "Unavailable" })
        assert.deepStrictEqual(yield* list(ann), [kept])
        assert.strictEqual(yield* textOf(ann, kept.fileId), "1,2")
        stuck.clear()
        assert.isTrue(yield* remove(ann, kept.fileId))
        assert.deepStrictEqual(filesIn(path), [])
        assert.strictEqual(yield* taken(), 0)
      }).pipe(Effect.provide(Layer.provide(FileUploads.layer(path), holdingOn(stuck))))
    })
  )

  it.scoped("takes room until its bytes are gone, which are tried to be removed until they are", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const stuck = new Set<string>()
      yield* Effect.gen(function* () {
        const { list, remove, taken } = yield* Uploads
        const { fileId } = yield* keep(ann, "a.csv", "1,2")
        stuck.add(fileId)
        assert.isTrue(yield* remove(ann, fileId))
        assert.deepStrictEqual(yield* list(ann), [])
        assert.strictEqual(yield* taken(ann), 3 + 65_536)
        stuck.clear()
        yield* TestClock.adjust("1 minute")
        yield* Effect.repeat(taken(), { until: (bytes) => bytes === 0 })
        assert.deepStrictEqual(filesIn(path), [])
      }).pipe(Effect.provide(Layer.provide(FileUploads.layer(path), holdingOn(stuck))))
    })
  )
})

const isRoot = process.getuid?.() === 0

it.scoped.runIf(isRoot)("a full disk refuses a file, and nothing is left of it", () =>
  Effect.gen(function* () {
    const path = yield* Effect.acquireRelease(
      Effect.tap(directory, (path) =>
        Effect.sync(() => execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path]))
      ),
      (path) => Effect.sync(() => execFileSync("umount", [path]))
    )
    yield* life(
      path,
      Effect.gen(function* () {
        yield* keep(ann, "small", "fits")
        const piece = "x".repeat(65_536)
        const failure = yield* Effect.flip(keep(ann, "large", ...Array.from({ length: 32 }, () => piece)))
        assert.include(failure, { reason: "NoSpace" })
        assert.strictEqual(filesIn(path).length, 2)
        assert.strictEqual(yield* (yield* Uploads).taken(), 4 + 65_536)
        yield* keep(ann, "another", "fits too")
      })
    )
  })
)

it.scoped("an id that no file has is nobody's", () =>
  Effect.gen(function* () {
    const path = yield* directory
    const unknown = FileId.make(`file_${"a".repeat(32)}`)
    assert.strictEqual(yield* life(path, textOf(ann, unknown)), undefined)
  })
)
