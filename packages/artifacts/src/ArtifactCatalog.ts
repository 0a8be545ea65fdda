import { randomUUID } from "node:crypto"
import type { ExecutionId, UserId } from "@bulkhead/domain"
import { Context, Effect, Layer, Option } from "effect"
import * as ArtifactSpace from "./ArtifactSpace.js"
import { ArtifactStoreFailure, type NewArtifact } from "./ArtifactStore.js"

/** An artifact that is kept, and where its bytes are. */
export interface CatalogEntry {
  readonly id: string
  /** Bytes. */
  readonly size: number
}

/** Who has staged a file must say so at least this often, or it counts as abandoned. Milliseconds. */
export const patience = 300_000

/**
 * Which artifacts there are, where the bytes of each are, and how much room all take: one for all servers that share
 * them. A file is staged, then kept, then given up; its row goes when its bytes have gone. Room is taken as a file is
 * staged, and given back once, as it is given up.
 */
export class ArtifactCatalog extends Context.Tag("@bulkhead/artifacts/ArtifactCatalog")<
  ArtifactCatalog,
  {
    /** With what all ids of this catalog begin, and those of no other. */
    readonly beginning: string
    /** Takes room for a file that is to be staged, and gives the id of its bytes. */
    readonly stage: (artifact: NewArtifact) => Effect.Effect<string, ArtifactStoreFailure>
    /** Says that a file is still being staged. Fails when it counts as abandoned. */
    readonly renew: (id: string) => Effect.Effect<void, ArtifactStoreFailure>
    /**
     * Keeps a staged file, with its true size, and gives the ids of what it replaces, which is given up. Fails when it
     * counts as abandoned. What is kept stays as it is: whoever was not told whether it is may ask again.
     */
    readonly keep: (id: string, size: number) => Effect.Effect<ReadonlyArray<string>, ArtifactStoreFailure>
    /** Gives up a file that is not wanted, also if it was kept and nobody heard of that. Whether it was there. */
    readonly drop: (id: string) => Effect.Effect<boolean, ArtifactStoreFailure>
    readonly find: (
      executionId: ExecutionId,
      name: string
    ) => Effect.Effect<Option.Option<CatalogEntry>, ArtifactStoreFailure>
    /** Gives up all that is kept of an execution. The ids of that, and of what was given up before and not forgotten. */
    readonly remove: (executionId: ExecutionId) => Effect.Effect<ReadonlyArray<string>, ArtifactStoreFailure>
    /** Gives up what is abandoned. The ids of that, and of what was given up `patience` ago, some hundreds at most. */
    readonly abandoned: Effect.Effect<ReadonlyArray<string>, ArtifactStoreFailure>
    /** The bytes of these are gone. */
    readonly forget: (ids: ReadonlyArray<string>) => Effect.Effect<void, ArtifactStoreFailure>
    /** Those of some ids that the catalog does not have. */
    readonly unknown: (
      ids: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<string>, ArtifactStoreFailure>
    /** Bytes that a user's artifacts take, or all, with those that are being staged; as last known, if need be. */
    readonly taken: (userId?: UserId) => Effect.Effect<number>
  }
>() {
  /** For one process, which forgets all with its end: for tests. Nothing is ever abandoned. */
  static readonly layerMemory = (limits: ArtifactSpace.SpaceLimits = {}) =>
    Layer.effect(ArtifactCatalog, Effect.map(ArtifactSpace.make(limits), inMemory))
}

interface Row extends NewArtifact {
  readonly state: "staged" | "kept" | "given up"
}

const inMemory = (space: ArtifactSpace.ArtifactSpace): ArtifactCatalog["Type"] => {
  const rows = new Map<string, Row>()
  const beginning = `${randomUUID()}/`
  const idsOf = (isWanted: (row: Row) => boolean) =>
    [...rows].filter(([, row]) => isWanted(row)).map(([id]) => id)
  const giveUp = (ids: ReadonlyArray<string>) =>
    Effect.forEach(
      ids,
      (id) => {
        const row = rows.get(id)
        if (row === undefined || row.state === "given up") return Effect.void
        rows.set(id, { ...row, state: "given up" })
        return space.giveBack(Option.some(row.userId), row.size)
      },
      { discard: true }
    )
  const staged = (id: string) =>
    Effect.suspend(() => {
      const row = rows.get(id)
      return row?.state === "staged"
        ? Effect.succeed(row)
        : new ArtifactStoreFailure({ reason: "Unavailable", cause: "it is no longer staged" })
    })
  return {
    beginning,
    stage: (artifact) =>
      Effect.as(space.take(artifact.userId, artifact.size), `${beginning}${randomUUID()}`).pipe(
        Effect.tap((id) => Effect.sync(() => rows.set(id, { ...artifact, state: "staged" })))
      ),
    renew: staged,
    keep: (id, size) =>
      Effect.suspend(() => {
        if (rows.get(id)?.state === "kept") return Effect.succeed([])
        return Effect.flatMap(staged(id), (row) => {
          const isSame = ({ executionId, name, state }: Row) =>
            state === "kept" && executionId === row.executionId && name === row.name
          const replaced = idsOf(isSame)
          rows.set(id, { ...row, size, state: "kept" })
          return giveUp(replaced).pipe(
            Effect.zipRight(space.giveBack(Option.some(row.userId), row.size - size)),
            Effect.as(replaced)
          )
        })
      }),
    drop: (id) =>
      Effect.suspend(() => {
        const state = rows.get(id)?.state
        return Effect.as(giveUp([id]), state === "staged" || state === "kept")
      }),
    find: (executionId, name) =>
      Effect.sync(() => {
        const [id] = idsOf(
          (row) => row.state === "kept" && row.executionId === executionId && row.name === name
        )
        return Option.map(Option.fromNullable(id), (id) => ({ id, size: rows.get(id)?.size ?? 0 }))
      }),
    remove: (executionId) =>
      Effect.suspend(() => {
        const ids = idsOf((row) => row.executionId === executionId && row.state !== "staged")
        return Effect.as(giveUp(ids), ids)
      }),
    abandoned: Effect.sync(() => idsOf(({ state }) => state === "given up")),
    forget: (ids) =>
      Effect.sync(() => {
        for (const id of ids) rows.delete(id)
      }),
    unknown: (ids) => Effect.sync(() => ids.filter((id) => !rows.has(id))),
    taken: space.taken
  }
}
