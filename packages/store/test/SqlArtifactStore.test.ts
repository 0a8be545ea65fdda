import { ArtifactCatalog, ArtifactStore, CatalogArtifactStore, type SpaceLimits } from "@bulkhead/artifacts"
import { ExecutionId, UserId } from "@bulkhead/domain"
import { ArtifactStoreConformance } from "@bulkhead/testing/conformance"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import { SqlArtifactBlobs, SqlArtifactCatalog } from "../src/index.js"
import { type Database, type Kind, onEach } from "./Databases.js"

const storeIn = (database: Database, limits: SpaceLimits = {}) =>
  CatalogArtifactStore.layer().pipe(
    Layer.provide(Layer.merge(SqlArtifactCatalog.layer(limits), SqlArtifactBlobs.layer)),
    Layer.provide(database.open())
  )

const fresh = (kind: Kind) =>
  Layer.unwrapScoped(Effect.map(Effect.orDie(kind.make), (database) => storeIn(database)))

/** Two stores on one database, each with connections of its own. */
const two = (kind: Kind) =>
  Layer.scoped(
    ArtifactStoreConformance.SharedStores,
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const limits = { eachUser: ArtifactStoreConformance.sharedRoom }
      const build = Effect.map(Layer.build(storeIn(database, limits)), Context.get(ArtifactStore))
      return { one: yield* build, other: yield* build }
    })
  )

onEach("Artifacts", (kind) => {
  ArtifactStoreConformance.suite("in the store", fresh(kind))
  if (kind.name === "PostgreSQL") ArtifactStoreConformance.sharedSuite("in two stores", two(kind))

  it.scopedLive("The catalog keeps a file once, however often it is asked to, until it is not wanted", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const catalog = yield* SqlArtifactCatalog.layer().pipe(
        Layer.provide(database.open()),
        Layer.build,
        Effect.map(Context.get(ArtifactCatalog))
      )
      const executionId = ExecutionId.make("exec_one")
      const file = { executionId, userId: UserId.make("ann"), name: "a.csv", size: 9 }
      const before = yield* catalog.stage(file)
      assert.deepStrictEqual(yield* catalog.keep(before, 7), [])
      const id = yield* catalog.stage(file)
      assert.deepStrictEqual(yield* catalog.keep(id, 5), [before])
      assert.deepStrictEqual(yield* catalog.keep(id, 5), [])
      assert.deepStrictEqual(yield* catalog.find(executionId, "a.csv"), Option.some({ id, size: 5 }))
      assert.strictEqual(yield* catalog.taken(file.userId), 5)
      assert.strictEqual((yield* Effect.flip(catalog.keep(before, 7))).reason, "Unavailable")
      assert.isFalse(yield* catalog.drop(before))
      assert.isTrue(yield* catalog.drop(id))
      assert.isTrue(Option.isNone(yield* catalog.find(executionId, "a.csv")))
      assert.strictEqual(yield* catalog.taken(file.userId), 0)
    })
  )
})
