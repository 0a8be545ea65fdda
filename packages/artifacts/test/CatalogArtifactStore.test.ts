import {
  ArtifactBlobs,
  ArtifactCatalog,
  ArtifactStore,
  ArtifactStoreFailure,
  CatalogArtifactStore
} from "@bulkhead/artifacts"
import { ExecutionId, UserId } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Option, Stream, TestClock } from "effect"

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

/** A catalog that does what it is asked, but whose answers are lost until a moment. */
const forgetful = (until: number) =>
  Layer.effect(
    ArtifactCatalog,
    Effect.map(ArtifactCatalog, (catalog) => {
      const lost = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        now < until
          ? new ArtifactStoreFailure({ reason: "Unavailable", cause: "the connection is lost" })
          : Effect.void
      )
      const keep: typeof catalog.keep = (id, size) => Effect.zipLeft(catalog.keep(id, size), lost)
      const drop: typeof catalog.drop = (id) => Effect.zipRight(lost, catalog.drop(id))
      return { ...catalog, keep, drop }
    })
  ).pipe(Layer.provide(ArtifactCatalog.layerMemory()))

const noBytes = Layer.succeed(ArtifactBlobs, {
  write: (_id, _size, content) => Effect.as(Stream.runDrain(content), 0),
  read: () => Stream.empty,
  remove: () => Effect.void,
  old: () => Stream.empty
})

const keptWith = Effect.fnUntraced(function* (until: number) {
  const store = yield* CatalogArtifactStore.layer().pipe(
    Layer.provide(Layer.merge(noBytes, forgetful(until))),
    Layer.build,
    Effect.map(Context.get(ArtifactStore))
  )
  const keeping = Effect.flatMap(store.stage(artifact, Stream.empty), ({ keep }) => keep)
  const kept = yield* Effect.fork(Effect.scoped(keeping))
  return { store, kept }
})

it.scoped("keeps a file once whose keeping was not heard of", () =>
  Effect.gen(function* () {
    const { kept, store } = yield* keptWith(1)
    yield* TestClock.adjust("250 millis")
    assert.isTrue(Exit.isSuccess(yield* Fiber.await(kept)))
    assert.isTrue(Option.isSome(yield* store.open(artifact.executionId, artifact.name)))
  })
)

it.scoped("keeps no file that nobody heard was kept, however long that lasts", () =>
  Effect.gen(function* () {
    const { kept, store } = yield* keptWith(90_000)
    yield* TestClock.adjust("15 seconds")
    assert.isTrue(Exit.isFailure(yield* Fiber.await(kept)))
    assert.isTrue(Option.isSome(yield* store.open(artifact.executionId, artifact.name)))
    yield* TestClock.adjust("2 minutes")
    assert.isTrue(Option.isNone(yield* store.open(artifact.executionId, artifact.name)))
    assert.strictEqual(yield* store.taken(artifact.userId), 0)
  })
)
