import { ArtifactBlobs, ArtifactStoreFailure, Pieces } from "@bulkhead/artifacts"
import { SqlClient } from "@effect/sql"
import { Array as Arr, Effect, Layer, Stream } from "effect"
import { asArtifactFailure } from "./ArtifactFailures.js"

/** Bytes of a row, but for the last of a file. What one who writes or reads has in memory is a few of them. */
const chunk = 262_144

/** Files whose rows are removed in one statement. */
const filesAtOnce = 20

const cutShort = new ArtifactStoreFailure({
  reason: "Unavailable",
  cause: "bytes of an artifact are missing: it may have been removed meanwhile"
})

/** The part of a chunk that belongs to a range of the whole. */
const within = (number: number, offset: number, length: number) => {
  const start = number * chunk
  return [Math.max(offset - start, 0), Math.min(offset + length - start, chunk)] as const
}

const make = Effect.map(SqlClient.SqlClient, (sql) => {
  const read = Effect.fnUntraced(function* (id: string, number: number) {
    const [row] = yield* asArtifactFailure(
      sql<{ bytes: Uint8Array }>`SELECT bytes FROM artifact_chunks
        WHERE file_id = ${id} AND number = ${number}`
    )
    return row === undefined ? yield* cutShort : new Uint8Array(row.bytes)
  })

  return ArtifactBlobs.of({
    write: (id, _size, content) =>
      Stream.zipWithIndex(Pieces.of(chunk)(content)).pipe(
        Stream.mapEffect(([bytes, number]) =>
          Effect.as(
            asArtifactFailure(
              sql.withTransaction(
                sql`INSERT INTO artifact_chunks (file_id, number, bytes) VALUES (${id}, ${number}, ${bytes})`
              )
            ),
            bytes.length
          )
        ),
        Stream.runSum
      ),
    read: (id, offset, length) =>
      Stream.range(Math.floor(offset / chunk), Math.floor((offset + length - 1) / chunk), 1).pipe(
        Stream.mapEffect((number) =>
          Effect.flatMap(read(id, number), (bytes) => {
            const [from, to] = within(number, offset, length)
            return bytes.length < to ? cutShort : Effect.succeed(bytes.subarray(from, to))
          })
        )
      ),
    remove: (ids) =>
      Effect.forEach(
        Arr.chunksOf(ids, filesAtOnce),
        (some) =>
          asArtifactFailure(
            sql.withTransaction(sql`DELETE FROM artifact_chunks WHERE ${sql.in("file_id", some)}`)
          ),
        { discard: true }
      ),
    // A chunk goes with the row of its file.
    old: () => Stream.empty
  })
})

/**
 * The bytes of artifacts in rows of 256 KiB, in a table that `PostgresStore` creates. Each row is written and read by
 * itself, so that no connection waits for whoever sends or takes the file.
 */
export const layer: Layer.Layer<ArtifactBlobs, never, SqlClient.SqlClient> = Layer.effect(ArtifactBlobs, make)
