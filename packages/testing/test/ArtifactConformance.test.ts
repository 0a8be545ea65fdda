import { ArtifactScanner, ArtifactStore } from "@bulkhead/artifacts"
import { ArtifactScannerConformance, ArtifactStoreConformance, Case } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Effect, Layer, Option, Stream } from "effect"

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
      stage: (executionId, name, content) => Effect.tap(stage(executionId, name, content), ({ keep }) => keep)
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
      stage: (executionId, name, content) => stage(executionId, name.toLowerCase(), content),
      open: (executionId, name, range) => open(executionId, name.toLowerCase(), range)
    })),
    /apart by execution and by name/
  ],
  [
    "that takes a name for a path",
    changed(({ open, stage }) => ({
      stage: (executionId, name, content) => stage(executionId, name.split("/").at(-1) ?? "", content),
      open: (executionId, name, range) => open(executionId, name, range)
    })),
    /any name for a name/
  ],
  ["that removes nothing", changed(() => ({ remove: () => Effect.void })), /removes all of one execution/],
  [
    "that keeps half of what failed",
    changed(({ stage }) => ({
      stage: (executionId, name, content) =>
        stage(
          executionId,
          name,
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
