import {
  ArtifactBlobs,
  ArtifactCatalog,
  ArtifactScanner,
  ArtifactStore,
  type ArtifactStoreFailure,
  CatalogArtifactStore
} from "@bulkhead/artifacts"
import { ArtifactScannerConformance, ArtifactStoreConformance, Case } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Ref, Stream } from "effect"

type Store = Context.Tag.Service<ArtifactStore>
type Scan = Context.Tag.Service<ArtifactScanner>["scan"]

const changed = (change: (store: Store) => Partial<Store>) =>
  Layer.effect(
    ArtifactStore,
    Effect.map(ArtifactStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provide(ArtifactStore.layerMemory))

const stores: ReadonlyArray<readonly [string, Layer.Layer<ArtifactStore>, RegExp]> = [
  [
    "that keeps what it stages at once",
    changed(({ stage }) => ({
      stage: (artifact, content) => Effect.tap(stage(artifact, content), ({ keep }) => keep)
    })),
    /keeps it when asked, not before|nothing that nobody kept/
  ],
  [
    "that gives the whole, whatever part is asked for",
    changed(({ open }) => ({ open: (executionId, name) => open(executionId, name) })),
    /the part that is asked for/
  ],
  [
    "that gives the part's size for the whole's",
    changed(({ open }) => ({
      open: (executionId, name, range) =>
        Effect.map(
          open(executionId, name, range),
          Option.map((stored) => ({ ...stored, size: stored.size - (range?.offset ?? 0) }))
        )
    })),
    /the part that is asked for/
  ],
  [
    "that knows names in small letters only",
    changed(({ open, stage }) => ({
      stage: (artifact, content) => stage({ ...artifact, name: artifact.name.toLowerCase() }, content),
      open: (executionId, name, range) => open(executionId, name.toLowerCase(), range)
    })),
    /apart by execution and by name/
  ],
  [
    "that takes a name for a path",
    changed(({ open, stage }) => ({
      stage: (artifact, content) =>
        stage({ ...artifact, name: artifact.name.split("/").at(-1) ?? "" }, content),
      open: (executionId, name, range) => open(executionId, name, range)
    })),
    /any name for a name/
  ],
  [
    "that keeps the first 64 KiB",
    changed(({ stage }) => ({
      stage: (artifact, content) => stage(artifact, Stream.take(content, 1))
    })),
    /each byte of them/
  ],
  [
    "that has one place for all that is staged",
    Layer.effect(
      ArtifactStore,
      Effect.gen(function* () {
        const store = yield* ArtifactStore
        const keepLast = yield* Ref.make<Effect.Effect<void, ArtifactStoreFailure>>(Effect.void)
        return ArtifactStore.of({
          ...store,
          stage: (artifact, content) =>
            store.stage(artifact, content).pipe(
              Effect.tap(({ keep }) => Ref.set(keepLast, keep)),
              Effect.tap(Effect.yieldNow()),
              Effect.map((staged) => ({ ...staged, keep: Effect.flatten(Ref.get(keepLast)) }))
            )
        })
      })
    ).pipe(Layer.provide(ArtifactStore.layerMemory)),
    /many files at once/
  ],
  [
    "that keeps what has come of a file when it is interrupted",
    changed(({ stage }) => ({
      stage: (artifact, content) =>
        Effect.onInterrupt(stage(artifact, content), () =>
          stage(artifact, Stream.empty).pipe(
            Effect.flatMap(({ keep }) => keep),
            Effect.scoped,
            Effect.ignore
          )
        )
    })),
    /interrupted as it came/
  ],
  [
    "that counts all for everybody's",
    changed(({ taken }) => ({ taken: () => taken() })),
    /how many bytes a user's artifacts take/
  ],
  ["that removes nothing", changed(() => ({ remove: () => Effect.void })), /removes all of one execution/],
  [
    "that keeps half of what failed",
    changed(({ stage }) => ({
      stage: (artifact, content) =>
        stage(
          artifact,
          Stream.catchAll(content, () => Stream.empty)
        )
    })),
    /nothing of a file whose content failed/
  ]
]

describe("the suite finds an artifact store out", () => {
  for (const [what, layer, promise] of stores)
    it.live(what, () =>
      Effect.gen(function* () {
        const broken = yield* Case.broken(ArtifactStoreConformance.cases, layer)
        assert.match(broken.join("\n"), promise)
      })
    )
})

it("each promise of a store is broken by one of them", () => {
  const all = ArtifactStoreConformance.cases.map(({ promise }) => promise)
  const tried = all.filter((promise) => stores.some(([, , broken]) => broken.test(promise)))
  assert.deepStrictEqual(tried, all)
})

const { SharedStores, sharedCases, sharedRoom } = ArtifactStoreConformance

const catalogued = CatalogArtifactStore.layer().pipe(
  Layer.provide(Layer.merge(ArtifactCatalog.layerMemory({ eachUser: sharedRoom }), ArtifactBlobs.layerMemory))
)

/** Two that are one, or of which the second is made from the first. */
const shared = (change: (store: Store) => Partial<Store> = () => ({})) =>
  Layer.effect(
    SharedStores,
    Effect.map(ArtifactStore, (store) => ({ one: { ...store, ...change(store) }, other: store }))
  ).pipe(Layer.provide(catalogued))

ArtifactStoreConformance.suite("CatalogArtifactStore", catalogued)
ArtifactStoreConformance.sharedSuite("CatalogArtifactStore, twice", shared())

const pairs: ReadonlyArray<readonly [string, Layer.Layer<ArtifactStoreConformance.SharedStores>, RegExp]> = [
  [
    "that share nothing",
    Layer.scoped(
      SharedStores,
      Effect.all({
        one: Effect.map(Layer.build(Layer.fresh(catalogued)), Context.get(ArtifactStore)),
        other: Effect.map(Layer.build(Layer.fresh(catalogued)), Context.get(ArtifactStore))
      })
    ),
    /gives and counts|under one name at once|no more room|both remove/
  ],
  [
    "of which one gives less than all",
    shared(({ open }) => ({
      open: (...asked) =>
        Effect.map(
          open(...asked),
          Option.map((stored) => ({
            ...stored,
            content: Stream.catchAll(stored.content, () => Stream.empty)
          }))
        )
    })),
    /gets all of it, or a failure/
  ]
]

describe("the suite finds two stores out", () => {
  for (const [what, layer, promise] of pairs)
    it.live(what, () =>
      Effect.gen(function* () {
        const broken = yield* Case.broken(sharedCases, layer)
        const promised = sharedCases.map(({ promise }) => promise).filter((each) => promise.test(each))
        assert.includeMembers([...broken], promised)
      })
    )
})

it("each promise of two stores is broken by one of them", () => {
  const all = sharedCases.map(({ promise }) => promise)
  const tried = all.filter((promise) => pairs.some(([, , broken]) => broken.test(promise)))
  assert.deepStrictEqual(tried, all)
})

/** Finds a file infected by its whole text. */
const honest: Scan = (content) =>
  Effect.map(Stream.runCollect(content), (pieces) =>
    Buffer.concat([...pieces]).includes(ArtifactScannerConformance.eicar)
      ? { _tag: "Infected", name: "EICAR" }
      : { _tag: "Clean" }
  )

const scanner = (scan: Scan) => Layer.succeed(ArtifactScanner, { scan })

ArtifactScannerConformance.suite("A scanner that knows one file", scanner(honest))

const scanners: ReadonlyArray<readonly [string, Layer.Layer<ArtifactScanner>, RegExp]> = [
  ["that reads nothing", ArtifactScanner.layerOff, /names what it finds/],
  [
    "that finds something in everything",
    scanner(() => Effect.succeed({ _tag: "Infected", name: "all" })),
    /takes for clean what is clean/
  ],
  [
    "that gives no names",
    scanner((content) =>
      Effect.map(honest(content), (verdict) =>
        verdict._tag === "Infected" ? { ...verdict, name: "" } : verdict
      )
    ),
    /names what it finds/
  ],
  [
    "that looks at one piece after the other",
    scanner((content) =>
      Effect.map(
        Stream.runCollect(Stream.mapEffect(content, (piece) => honest(Stream.make(piece)))),
        (verdicts) => [...verdicts].find(({ _tag }) => _tag === "Infected") ?? { _tag: "Clean" as const }
      )
    ),
    /in pieces/
  ],
  [
    "that passes what it could not read",
    scanner((content) => honest(Stream.catchAll(content, () => Stream.empty))),
    /does not pass a file that failed/
  ],
  [
    "that has one buffer for all files",
    Layer.effect(
      ArtifactScanner,
      Effect.map(Ref.make<ReadonlyArray<Uint8Array>>([]), (buffer) => ({
        scan: (content) =>
          Stream.runForEach(content, (piece) => Ref.update(buffer, (pieces) => [...pieces, piece])).pipe(
            Effect.zipRight(Ref.get(buffer)),
            Effect.flatMap((pieces) => honest(Stream.fromIterable(pieces)))
          )
      }))
    ),
    /many files at once/
  ],
  [
    "that goes on reading when nobody waits",
    scanner((content) =>
      Effect.flatMap(Effect.forkDaemon(honest(content)), (fiber) => fiber.await).pipe(Effect.flatten)
    ),
    /lets go of a file/
  ]
]

describe("the suite finds a scanner out", () => {
  for (const [what, layer, promise] of scanners)
    it.live(what, () =>
      Effect.gen(function* () {
        const broken = yield* Case.broken(ArtifactScannerConformance.cases(), layer)
        assert.match(broken.join("\n"), promise)
      })
    )
})

it("each promise of a scanner is broken by one of them", () => {
  const all = ArtifactScannerConformance.cases().map(({ promise }) => promise)
  const tried = all.filter((promise) => scanners.some(([, , broken]) => broken.test(promise)))
  assert.deepStrictEqual(tried, all)
})
