import { SteadyClock } from "@bulkhead/sandbox"
import { Duration, Effect, Layer, Option, Ref, Schedule, Stream } from "effect"
import { ArtifactBlobs } from "./ArtifactBlobs.js"
import { ArtifactCatalog, patience } from "./ArtifactCatalog.js"
import { ArtifactStore, type ArtifactStoreFailure, type NewArtifact } from "./ArtifactStore.js"

export interface CatalogArtifactStoreOptions {
  /** How often to remove what servers that died have left. Default 1 minute. */
  readonly interval?: Duration.DurationInput
}

/** Ten signs of life within the time after which a staged file counts as abandoned. */
const renewal = Duration.millis(patience / 10)

/** How often all that is stored is looked through for what the catalog does not know. */
const sweep = Duration.days(1)

/** Longest time for what somebody waits for who is done. What is not removed by then is removed as abandoned. */
const farewell = Duration.seconds(10)

/** A file is tried to be kept for a while. Whether it is kept may be unknown after a try that failed. */
const untilKept = <A>(keep: Effect.Effect<A, ArtifactStoreFailure>) =>
  Effect.flatMap(SteadyClock.within("5 seconds"), (isInTime) =>
    Effect.retry(keep, {
      schedule: Schedule.spaced("250 millis"),
      while: ({ reason }) => (reason === "Unavailable" ? isInTime : Effect.succeed(false))
    })
  )

const logged =
  (message: string) =>
  <A, R>(effect: Effect.Effect<A, ArtifactStoreFailure, R>) =>
    Effect.catchAll(effect, (failure) => Effect.logError(message, failure))

const briefly =
  (message: string, otherwise: Effect.Effect<void> = Effect.void) =>
  <A, R>(effect: Effect.Effect<A, ArtifactStoreFailure, R>) =>
    effect.pipe(
      Effect.disconnect,
      // A finalizer is uninterruptible, and the bound must be able to interrupt.
      Effect.interruptible,
      Effect.timeout(farewell),
      Effect.catchAll((failure) => Effect.zipRight(otherwise, Effect.logWarning(message, failure)))
    )

const make = Effect.fnUntraced(function* ({ interval = "1 minute" }: CatalogArtifactStoreOptions) {
  const catalog = yield* ArtifactCatalog
  const blobs = yield* ArtifactBlobs

  const discard = (ids: ReadonlyArray<string>) =>
    ids.length === 0 ? Effect.void : Effect.zipRight(blobs.remove(ids), catalog.forget(ids))

  const read = (id: string, offset: number, length: number) =>
    length === 0 ? Stream.empty : blobs.read(id, offset, length)

  const giveUp = (id: string) =>
    Effect.flatMap(catalog.drop(id), (isDropped) => (isDropped ? discard([id]) : Effect.void))

  /** Files that are not wanted, and may be kept: as such they never count as abandoned. */
  const owed = yield* Ref.make<ReadonlyArray<string>>([])
  const owe = (id: string) => Ref.update(owed, (ids) => [...ids, id])
  const removeOwed = Effect.flatMap(Ref.getAndSet(owed, []), (ids) =>
    Effect.forEach(ids, (id) => Effect.ignoreLogged(Effect.tapError(giveUp(id), () => owe(id))), {
      discard: true
    })
  )

  const removeAbandoned = Effect.flatMap(catalog.abandoned, discard)

  const removeUnknown = Stream.runForEach(blobs.old(catalog.beginning), (ids) =>
    Effect.flatMap(catalog.unknown(ids), (unknown) =>
      unknown.length === 0 ? Effect.void : blobs.remove(unknown)
    )
  )

  const often = (what: Effect.Effect<void, ArtifactStoreFailure>, every: Duration.DurationInput) =>
    what.pipe(
      logged("What is left of artifacts could not be removed"),
      Effect.repeat(Schedule.spaced(every)),
      Effect.interruptible,
      Effect.forkScoped
    )
  yield* often(Effect.zipRight(removeOwed, removeAbandoned), interval)
  yield* often(removeUnknown, sweep)

  /** A row for a file, which is dropped with the scope unless the file is known to be kept. */
  const entry = Effect.fnUntraced(function* (artifact: NewArtifact) {
    const isKept = yield* Ref.make(false)
    const id = yield* Effect.acquireRelease(catalog.stage(artifact), (id) =>
      giveUp(id).pipe(
        briefly("What is left of a file could not be removed yet", owe(id)),
        Effect.unlessEffect(Ref.get(isKept))
      )
    )
    yield* Effect.forkScoped(Effect.schedule(Effect.ignore(catalog.renew(id)), Schedule.spaced(renewal)))
    return { id, stay: Ref.set(isKept, true) }
  })

  return ArtifactStore.of({
    stage: (artifact, content) =>
      Effect.gen(function* () {
        const { id, stay } = yield* entry(artifact)
        const size = yield* blobs.write(id, artifact.size, content)
        const kept = Effect.zipLeft(untilKept(catalog.keep(id, size)), stay)
        const keep = Effect.flatMap(kept, (replaced) =>
          briefly("What an artifact replaced could not be removed yet")(discard(replaced))
        )
        return { content: read(id, 0, size), keep: Effect.uninterruptible(keep), size }
      }),
    open: (executionId, name, { length, offset } = { offset: 0 }) =>
      Effect.map(
        catalog.find(executionId, name),
        Option.map(({ id, size }) => {
          const most = Math.max(size - offset, 0)
          return { size, content: read(id, offset, Math.min(length ?? most, most)) }
        })
      ),
    remove: (executionId) => Effect.flatMap(catalog.remove(executionId), discard),
    taken: catalog.taken
  })
})

/**
 * Keeps artifacts where several servers share them: their bytes in `ArtifactBlobs`, and what they are in an
 * `ArtifactCatalog`. A file that nobody has kept is given up with its scope; one of a server that died, 5 minutes later.
 */
export const layer = (options: CatalogArtifactStoreOptions = {}) => Layer.scoped(ArtifactStore, make(options))
