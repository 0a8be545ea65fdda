import { hash } from "node:crypto"
import { type FileId, UserId } from "@bulkhead/domain"
import { MemoryUploads, SandboxService, Uploads } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Ref, Stream, TestClock } from "effect"
import { service } from "./Fixture.js"

const { failure, MockSandboxes } = MockSandboxProvider

const ann = UserId.make("ann")

const served = (behaviour: Partial<MockSandboxProvider.MockBehaviour> = {}, limits = {}) =>
  Effect.provide(Layer.provideMerge(service(behaviour, limits), MemoryUploads.layer("1 hour")))

const keep = (text: string, userId = ann) =>
  Effect.gen(function* () {
    const { stage } = yield* Uploads
    const staged = yield* stage(Option.some(userId), Stream.make(new TextEncoder().encode(text)))
    return (yield* staged.keep("name", userId)).fileId
  }).pipe(Effect.scoped)

const execute = (fileId: FileId, more: object = {}) =>
  Effect.flatMap(SandboxService, ({ execute }) =>
    execute({ code: "print(1)", userId: ann, files: [{ path: "in/a.csv", fileId }], ...more })
  )

const written = Effect.map(
  Effect.flatMap(MockSandboxes, ({ created }) => created),
  (sandboxes) =>
    sandboxes.map(({ files }) => files.map(({ content, path }) => [path, new TextDecoder().decode(content)]))
)

describe("a file that a request names by its id", () => {
  it.effect("is written into the sandbox, again when the infrastructure failed, and told in the log", () =>
    Effect.gen(function* () {
      const fileId = yield* keep("1,2")
      const { success, executionId } = yield* execute(fileId)
      assert.isTrue(success)
      assert.deepStrictEqual(yield* written, [[["in/a.csv", "1,2"]]])
      const { getLogs } = yield* SandboxService
      const started = (yield* getLogs(executionId)).find(({ event }) => event === "execution_started")
      assert.deepInclude(started?.data, {
        files: 1,
        fileBytes: 3,
        fileList: [{ path: "in/a.csv", bytes: 3, sha256: hash("sha256", "1,2") }]
      })
    }).pipe(served())
  )

  it.effect("of another user, unknown, deleted or expired is refused alike, before anything runs", () =>
    Effect.gen(function* () {
      const fileId = yield* keep("1,2")
      const deleted = yield* keep("3")
      yield* (yield* Uploads).remove(ann, deleted)
      const unknown = `file_${"0".repeat(32)}` as FileId
      const bobs = yield* keep("4", UserId.make("bob"))
      const early = yield* Effect.forEach([bobs, unknown, deleted], (id) => Effect.flip(execute(id)))
      yield* TestClock.adjust("1 hour")
      for (const refusal of [...early, yield* Effect.flip(execute(fileId))]) {
        assert.include(refusal, { _tag: "InvalidRequest", field: "files.0.fileId" })
        assert.strictEqual(refusal.message, early[0]?.message)
      }
      assert.deepStrictEqual(yield* written, [])
    }).pipe(served())
  )

  it.effect("counts in the bytes that a request may have", () =>
    Effect.gen(function* () {
      const fileId = yield* keep("x".repeat(700_000))
      const content = "x".repeat(700_000)
      const refusal = yield* Effect.flip(
        execute(fileId, {
          files: [
            { path: "a", fileId },
            { path: "b", content }
          ]
        })
      )
      assert.include(refusal, {
        _tag: "RequestTooLarge",
        message: "files: expected at most 1 MB in all, got 1400000 bytes"
      })
    }).pipe(served({}, { maxUploadMB: 1 }))
  )

  it.effect("tells requests with one key apart by its content, not by its id", () =>
    Effect.gen(function* () {
      const [one, same, other] = yield* Effect.all([keep("1"), keep("1"), keep("2")])
      const first = yield* execute(one, { idempotencyKey: "key" })
      assert.strictEqual((yield* execute(same, { idempotencyKey: "key" })).executionId, first.executionId)
      assert.strictEqual(
        (yield* Effect.flip(execute(other, { idempotencyKey: "key" })))._tag,
        "IdempotencyConflict"
      )
    }).pipe(served())
  )

  const worded: ReadonlyArray<readonly [object, string]> = [
    [{ path: "a" }, "files.0.content: is missing: expected the file's content, or a fileId instead"],
    [
      { path: "a", content: "", fileId: `file_${"0".repeat(32)}` },
      "files.0.fileId: expected none, since there is content"
    ],
    [{ path: "a", fileId: "x" }, "files.0.fileId: expected the id of a file, like file_ and 32 digits"]
  ]
  for (const [file, message] of worded) {
    it.effect(`says "${message}"`, () =>
      Effect.gen(function* () {
        const { execute } = yield* SandboxService
        const refusal = yield* Effect.flip(execute({ code: "1", files: [file as never] }))
        assert.strictEqual(refusal.message, message)
      }).pipe(served())
    )
  }

  it.effect("is let go of when the execution is over, refused or killed, and not before", () =>
    Effect.gen(function* () {
      const fileId = yield* keep("1")
      const holds = yield* Ref.make(0)
      const atRun = yield* Ref.make(0)
      const uploads = yield* Uploads
      const counting = Uploads.of({
        ...uploads,
        hold: (...file) =>
          Effect.zipRight(
            Effect.acquireRelease(
              Ref.update(holds, (count) => count + 1),
              () => Ref.update(holds, (count) => count - 1)
            ),
            uploads.hold(...file)
          )
      })
      let attempts = 0
      const behaviour: Partial<MockSandboxProvider.MockBehaviour> = {
        write: Effect.flatMap(Ref.get(holds), (count) =>
          Effect.suspend(() => (++attempts === 1 ? failure("ECONNRESET", "files") : Ref.set(atRun, count)))
        )
      }
      yield* Effect.gen(function* () {
        const running = yield* Effect.fork(execute(fileId, { idempotencyKey: "key" }))
        yield* TestClock.adjust("1 minute")
        assert.isTrue((yield* running).success)
        assert.strictEqual(yield* Ref.get(atRun), 1)
        assert.strictEqual(yield* Ref.get(holds), 0)
        yield* Effect.flip(execute(fileId, { language: "none" }))
        assert.strictEqual(yield* Ref.get(holds), 0)
      }).pipe(Effect.provide(Layer.provide(service(behaviour), Layer.succeed(Uploads, counting))))
      assert.strictEqual(attempts, 2)
    }).pipe(Effect.provide(MemoryUploads.layer()))
  )
})
