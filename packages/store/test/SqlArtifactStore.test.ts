import { ArtifactStore, CatalogArtifactStore } from "@bulkhead/artifacts"
import { ArtifactStoreConformance } from "@bulkhead/testing/conformance"
import { Effect, Layer } from "effect"
import { SqlArtifactBlobs, SqlArtifactCatalog } from "../src/index.js"
import { onEach } from "./Databases.js"

onEach("Artifacts", (kind) => {
  const fresh = Layer.unwrapScoped(
    Effect.map(Effect.orDie(kind.make), (database) =>
      CatalogArtifactStore.layer().pipe(
        Layer.provide(Layer.merge(SqlArtifactCatalog.layer(), SqlArtifactBlobs.layer)),
        Layer.provide(database.open())
      )
    )
  )
  ArtifactStoreConformance.suite("the store in SQL", fresh)
})
