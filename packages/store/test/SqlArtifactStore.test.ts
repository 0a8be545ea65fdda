import { ArtifactStore, CatalogArtifactStore, type SpaceLimits } from "@bulkhead/artifacts"
import { ArtifactStoreConformance } from "@bulkhead/testing/conformance"
import { Context, Effect, Layer } from "effect"
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
})
