import {
  ArtifactBlobs,
  ArtifactCatalog,
  ArtifactStore,
  ArtifactStoreFailure,
  CatalogArtifactStore
} from "@bulkhead/artifacts"
import { ExecutionId, UserId } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option, Stream, TestClock } from "effect"

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

/** A catalog that does what it is asked, but whose answer to the first `keep` is lost. */
const forgetful = Layer.effect(
  ArtifactCatalog,
  Effect.map(ArtifactCatalog, (catalog) => {
    let isFirst = true
    const lost = Effect.suspend(() => {
      if (!isFirst) return Effect.void
      isFirst = false
      return new ArtifactStoreFailure({ reason: "Unavailable", cause: "the connection is lost" })
    })
    const keep: typeof catalog.keep = (id, size) => Effect.zipLeft(catalog.keep(id, size), lost)
    return { ...catalog, keep }
  })
).pipe(Layer.provide(ArtifactCatalog.layerMemory()))

it.scoped("keeps a file once whose keeping was not heard of", () =>
  Effect.gen(function* () {
    const store = yield* CatalogArtifactStore.layer().pipe(
      Layer.provide(Layer.merge(hanging, forgetful)),
      Layer.build,
      Effect.map(Context.get(ArtifactStore))
    )
    const kept = yield* Effect.fork(
      Effect.scoped(Effect.flatMap(store.stage(artifact, Stream.empty), ({ keep }) => keep))
    )
    yield* TestClock.adjust("250 millis")
    assert.isTrue(Exit.isSuccess(yield* Fiber.await(kept)))
    assert.isTrue(Option.isSome(yield* store.open(artifact.executionId, artifact.name)))
  })
)
