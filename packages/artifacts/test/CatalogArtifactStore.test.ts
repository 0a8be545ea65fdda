import { ArtifactBlobs, ArtifactCatalog, ArtifactStore, CatalogArtifactStore } from "@bulkhead/artifacts"
import { ExecutionId, UserId } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Stream, TestClock } from "effect"

const hanging = Layer.succeed(ArtifactBlobs, {
  write: (_id, _size, content) => Effect.as(Stream.runDrain(content), 0),
  read: () => Stream.never,
  remove: () => Effect.never,
  old: () => Stream.empty
})

const artifact = {
  executionId: ExecutionId.make("exec_one"),
  userId: UserId.make("ann"),
  name: "a.csv",
  size: 1
}

it.scoped("lets go of a file that is not kept, also where its bytes cannot be removed", () =>
  Effect.gen(function* () {
    const store = yield* CatalogArtifactStore.layer().pipe(
      Layer.provide(Layer.merge(hanging, ArtifactCatalog.layerMemory())),
      Layer.build,
      Effect.map(Context.get(ArtifactStore))
    )
    const staged = yield* Effect.forkDaemon(Effect.scoped(store.stage(artifact, Stream.empty)))
    yield* TestClock.adjust("10 seconds")
    assert.strictEqual((yield* Fiber.poll(staged))._tag, "Some")
  })
)
