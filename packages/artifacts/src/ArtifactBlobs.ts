import { Context, Effect, Layer, Stream } from "effect"
import { ArtifactStoreFailure } from "./ArtifactStore.js"

/**
 * Where the bytes of artifacts are, each under an id that is never used for others. Which of them belong to what is in
 * the `ArtifactCatalog`; `CatalogArtifactStore` makes a store of both.
 */
export class ArtifactBlobs extends Context.Tag("@bulkhead/artifacts/ArtifactBlobs")<
  ArtifactBlobs,
  {
    /**
     * Writes bytes, and gives how many. Fails when they do, with the same error. What is left of them when it fails, or
     * is interrupted, `remove` removes.
     *
     * @param size Bytes, at most.
     */
    readonly write: <E, R>(
      id: string,
      size: number,
      content: Stream.Stream<Uint8Array, E, R>
    ) => Effect.Effect<number, E | ArtifactStoreFailure, R>
    /** So many bytes, 1 or more, and never fewer without failing. */
    readonly read: (
      id: string,
      offset: number,
      length: number
    ) => Stream.Stream<Uint8Array, ArtifactStoreFailure>
    /** No failure where some are not there. */
    readonly remove: (ids: ReadonlyArray<string>) => Effect.Effect<void, ArtifactStoreFailure>
    /**
     * Ends what was begun more than a day ago and not finished, and gives, in pages, what else is there from then: all
     * whose ids begin so. Nothing, where none can be without its row in the catalog.
     */
    readonly old: (beginning: string) => Stream.Stream<ReadonlyArray<string>, ArtifactStoreFailure>
  }
>() {
  /** Keeps them in memory, for tests. */
  static readonly layerMemory = Layer.sync(ArtifactBlobs, () => {
    const blobs = new Map<string, Uint8Array>()
    const missing = (id: string) =>
      new ArtifactStoreFailure({ reason: "Unavailable", cause: `no blob ${id}` })
    return ArtifactBlobs.of({
      write: (id, _size, content) =>
        Effect.map(Stream.runCollect(content), (pieces) => {
          const whole = Buffer.concat([...pieces])
          blobs.set(id, whole)
          return whole.length
        }),
      read: (id, offset, length) =>
        Stream.suspend(() => {
          const whole = blobs.get(id)
          return whole === undefined || whole.length < offset + length
            ? Stream.fail(missing(id))
            : Stream.make(whole.subarray(offset, offset + length))
        }),
      remove: (ids) =>
        Effect.sync(() => {
          for (const id of ids) blobs.delete(id)
        }),
      old: (beginning) => Stream.sync(() => [...blobs.keys()].filter((id) => id.startsWith(beginning)))
    })
  })
}
