import { type Artifact, shownPath } from "@bulkhead/domain"
import {
  ArtifactCollector,
  type CollectedArtifacts,
  type CollectOptions,
  type FoundArtifact,
  Instruments,
  SteadyClock
} from "@bulkhead/sandbox"
import {
  Array as Arr,
  Data,
  Duration,
  Effect,
  Either,
  Layer,
  Metric,
  Order,
  Ref,
  type Scope,
  Stream
} from "effect"
import { AllowedArtifacts } from "./AllowedArtifacts.js"
import { ArtifactInspector, type Inspected } from "./ArtifactInspector.js"
import type { ArtifactKind, Whitelist } from "./ArtifactKinds.js"
import * as ArtifactNames from "./ArtifactNames.js"
import * as ArtifactPolicy from "./ArtifactPolicy.js"
import { ArtifactScanner } from "./ArtifactScanner.js"
import { ArtifactStore, type ArtifactStoreFailure } from "./ArtifactStore.js"
import * as OutputListing from "./OutputListing.js"
import { Rejections } from "./Rejections.js"

/** How long collecting may take in all. What is not collected by then is refused. */
const collectBound = Duration.minutes(2)
/** The sandbox lives this much longer, so that it can be destroyed in peace. */
const destroyMargin = Duration.seconds(30)
/** Files that are read at once, of all executions: the SDK has ten connections for them, and writing needs some too. */
const readsAtOnce = 6
/** Files of one execution that are read at once. */
const readsEach = 3
/** Smaller files are allocated in ways that look like holes. */
const leastSparse = 1_048_576
const megabyte = 1_048_576

/** Why files are refused, for who counts them. */
type Reason =
  | "entry"
  | "name"
  | "content"
  | "infected"
  | "secret"
  | "number"
  | "room"
  | "changed"
  | "time"
  | "failure"

const kept = Instruments.counter("bulkhead_artifacts_kept_total", "Files of programs that were kept.")
const refusals = Instruments.labelled(
  Instruments.counter(
    "bulkhead_artifact_refusals_total",
    "Files of programs that were not kept: no plain file or too large (`entry`), by its `name` or `content`, `infected`, with a `secret` in it, too many (`number`), no `room`, `changed` meanwhile, no `time`, or a `failure` of ours."
  ),
  ["reason"]
)

/** A file is not kept, for this reason. */
class Refused extends Data.TaggedError("Refused")<{
  readonly reason: Reason
  readonly flaw: string
}> {}

const flaws: Readonly<Record<Exclude<OutputListing.ListedEntry["kind"], "file">, string>> = {
  symlink: "it is a symbolic link; copy the file itself",
  fifo: "it is a named pipe",
  socket: "it is a socket",
  device: "it is a device",
  mount: "it is on another file system",
  linked: "it has more than one hard link; copy it",
  deep: `it is a directory more than ${OutputListing.bounds.depth} levels deep; put its files further up`,
  unreadable: "it cannot be opened; make it readable",
  unknown: "it is not a regular file",
  replaced: "the output directory is not a directory"
}

const decoded = (path: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(path)

const flawOfEntry = (
  { kind, path, pathBytes, size, allocated }: OutputListing.ListedEntry,
  largest: number
): string | undefined => {
  if (kind !== "file") return flaws[kind]
  if (pathBytes > path.length) return "its name is not allowed: it is too long"
  if (!Buffer.from(decoded(path)).equals(path)) return "its name is not allowed: it is not UTF-8"
  if (size > largest) return `it is larger than ${largest / megabyte} MB; split or compress it`
  return size > leastSparse && allocated < size / 2 ? "it is mostly holes" : undefined
}

/** The same bytes, as long as they are as many as were listed. */
const asListed = <E, R>(
  content: Stream.Stream<Uint8Array, E, R>,
  size: number
): Stream.Stream<Uint8Array, E | Refused, R> =>
  Stream.unwrap(
    Effect.map(Ref.make(0), (seen) => {
      const count = (bytes: Uint8Array) =>
        Effect.filterOrFail(
          Ref.updateAndGet(seen, (before) => before + bytes.length),
          (total) => total <= size,
          () => new Refused({ reason: "changed", flaw: "it grew while it was read" })
        )
      const end = Effect.filterOrFail(
        Ref.get(seen),
        (total) => total === size,
        () => new Refused({ reason: "changed", flaw: "it changed while it was read" })
      )
      return content.pipe(Stream.tap(count), Stream.concat(Stream.drain(Stream.fromEffect(end))))
    })
  )

const flawOfStore = ({ limit = 0, reason }: ArtifactStoreFailure) => {
  if (reason === "NoSpace") return "there is no room to keep it"
  if (reason === "Unavailable") return "it could not be kept"
  const whose = reason === "UserQuota" ? "the user's artifacts" : "all artifacts"
  return `it does not fit into the ${limit / megabyte} MB that ${whose} may take together`
}

/** Whether it was to be expected. */
const isQuota = ({ reason }: ArtifactStoreFailure) => reason === "UserQuota" || reason === "Quota"

const holdsSecret = new Refused({ reason: "secret", flaw: "contains_secret: it holds the value of a secret" })

/** The same bytes, as long as nothing hidden is among them. */
const withoutSecrets = <E, R>(
  content: Stream.Stream<Uint8Array, E, R>,
  hidden: CollectOptions["hidden"]
): Stream.Stream<Uint8Array, E | Refused, R> => {
  if (hidden === undefined) return content
  return Stream.suspend(() => {
    const mask = hidden.stream()
    const look = (more: () => Uint8Array) =>
      Effect.suspend(() => {
        more()
        return mask.hasMasked() ? holdsSecret : Effect.void
      })
    return content.pipe(
      Stream.tap((bytes) => look(() => mask.next(bytes))),
      Stream.concat(Stream.drain(Stream.fromEffect(look(mask.end))))
    )
  })
}

/** What a file is served as: its charset is said where it is sure. */
const mediaTypeOf = (kind: ArtifactKind, { charset }: Extract<Inspected, { readonly _tag: "Passed" }>) =>
  charset === undefined ? kind.mediaType : `${kind.mediaType}; charset=${charset}`

const make = Effect.gen(function* () {
  const allowed = yield* AllowedArtifacts
  const store = yield* ArtifactStore
  const inspector = yield* ArtifactInspector
  const scanner = yield* ArtifactScanner
  const reads = yield* Effect.makeSemaphore(readsAtOnce)

  const take = (
    { executionId, hidden, userId }: Pick<CollectOptions, "executionId" | "hidden" | "userId">,
    { entry, name }: NamedEntry,
    largest: number,
    whitelist: Whitelist
  ) =>
    Effect.gen(function* () {
      const flaw = flawOfEntry(entry, largest)
      if (flaw !== undefined) return yield* new Refused({ reason: "entry", flaw })
      if (hidden?.isIn(name)) return yield* holdsSecret
      const kind = ArtifactPolicy.judgeName(name, whitelist)
      if (typeof kind === "string") return yield* new Refused({ reason: "name", flaw: kind })
      const content = entry.size === 0 ? Stream.empty : (entry.content ?? Stream.empty)
      const staged = yield* reads.withPermits(1)(
        store.stage(
          { executionId, userId, name, size: entry.size },
          withoutSecrets(asListed(content, entry.size), hidden)
        )
      )
      const inspected = yield* inspector.inspect(kind, staged.content)
      if (inspected._tag === "Flawed") return yield* new Refused({ reason: "content", flaw: inspected.flaw })
      const verdict = yield* scanner.scan(staged.content)
      if (verdict._tag === "Infected")
        return yield* new Refused({
          reason: "infected",
          flaw: `the scanner found ${shownPath(verdict.name)}`
        })
      yield* staged.keep
      return {
        name,
        size: staged.size,
        sha256: inspected.sha256,
        mediaType: mediaTypeOf(kind, inspected)
      } satisfies Artifact
    }).pipe(
      Effect.scoped,
      Effect.tapErrorTag("InspectionFailure", (failure) =>
        Effect.logError("Artifact not inspected", failure.cause)
      ),
      Effect.tapErrorTag("ScanFailure", (failure) => Effect.logWarning("Artifact not scanned", failure)),
      Effect.tapErrorTag("ArtifactStoreFailure", (failure) =>
        isQuota(failure)
          ? Effect.logWarning("Artifact not kept", failure)
          : Effect.logError("Artifact not kept", failure)
      ),
      Effect.tapErrorTag("SandboxFailure", (failure) => Effect.logWarning("Artifact not read", failure)),
      Effect.catchTags({
        InspectionFailure: () => new Refused({ reason: "failure", flaw: "it could not be inspected" }),
        ScanFailure: () => new Refused({ reason: "failure", flaw: "it could not be scanned" }),
        ArtifactStoreFailure: (failure) => new Refused({ reason: "room", flaw: flawOfStore(failure) }),
        SandboxFailure: () => new Refused({ reason: "failure", flaw: "it could not be read" })
      }),
      Effect.catchAllDefect((defect) =>
        Effect.zipRight(
          Effect.logError("Artifact not collected", defect),
          new Refused({ reason: "failure", flaw: "it could not be collected" })
        )
      )
    )

  const renewed = ({ sandbox }: CollectOptions) =>
    Effect.mapError(
      sandbox.renew(Duration.sum(collectBound, destroyMargin)),
      () => new OutputListing.NotListed({ reason: "the sandbox has gone" })
    )

  const gather = Effect.fnUntraced(function* (
    options: CollectOptions,
    found: Found,
    deadline: number
  ): Effect.fn.Return<void, OutputListing.NotListed, Scope.Scope> {
    const { limits, only, outputDir, sandbox } = options
    const largest = limits.maxArtifactSizeMB * megabyte
    const most = limits.maxArtifactsPerExecution
    const whitelist = yield* allowed.of(options.userId)
    const { entries, isCounted, more } = yield* OutputListing.list(sandbox, {
      outputDir,
      largest,
      most,
      hold: collectBound,
      ...(only === undefined ? {} : { only })
    })
    if (entries.some(({ content }) => content !== undefined)) yield* renewed(options)
    const takeInTime = (named: NamedEntry) =>
      Effect.flatMap(SteadyClock.now, (now) =>
        Effect.timeoutFail(take(options, named, largest, whitelist), {
          duration: Math.max(deadline - now, 0),
          onTimeout: () => new Refused({ reason: "time", flaw: "collecting took too long" })
        })
      )
    const tooMany = ({ entry }: NamedEntry) =>
      new Refused({
        reason: "number",
        flaw: flawOfEntry(entry, largest) ?? `there are more than ${most} artifacts`
      })
    const record = ({ entry, name }: NamedEntry) =>
      Either.match({
        onLeft: (refused: Refused) =>
          refuse(options, found, entry.pathBytes === 0 ? outputDir : decoded(entry.path), refused),
        onRight: (artifact: Artifact) => {
          found.artifacts.push(artifact)
          if (name !== decoded(entry.path).normalize("NFC")) found.renamed.push(name)
          return Effect.zipRight(Metric.increment(kept), tell(options, { kept: artifact }))
        }
      })
    const named = namedEntries(entries, most)
    for (let next = 0; next < named.length; ) {
      const room = most - found.artifacts.length
      const some = named.slice(next, room > 0 ? next + Math.min(room, readsEach) : undefined)
      const outcomes = yield* Effect.forEach(
        some,
        (entry) => Effect.either(room > 0 ? takeInTime(entry) : tooMany(entry)),
        {
          concurrency: readsEach
        }
      )
      for (const [index, entry] of some.entries()) {
        const outcome = outcomes[index]
        if (outcome !== undefined) yield* record(entry)(outcome)
      }
      next += some.length
    }
    if (more > 0 || !isCounted) {
      const rest = isCounted ? "the rest were not looked at" : "the rest were not looked at, nor all counted"
      const flaw = `there are more than ${entries.length} entries, and ${rest}`
      yield* refuse(options, found, outputDir, { reason: "number", flaw }, Math.max(more, 1))
    }
  })

  return ArtifactCollector.of({
    forget: (executionId) => Effect.ignoreLogged(store.remove(executionId)),
    taken: store.taken,
    collect: Effect.fn("ArtifactCollector.collect")(function* (options: CollectOptions) {
      const found: Found = { artifacts: [], renamed: [], rejections: new Rejections() }
      const deadline = (yield* SteadyClock.now) + Duration.toMillis(collectBound)
      const refuseAll = (flaw: string) =>
        refuse(options, found, options.outputDir, { reason: "failure", flaw })
      yield* gather(options, found, deadline).pipe(
        Effect.scoped,
        Effect.catchAll(({ reason }) => refuseAll(reason)),
        Effect.catchAllDefect((defect) =>
          Effect.zipRight(
            Effect.logError("Artifacts not collected", defect),
            refuseAll("the rest could not be collected")
          )
        )
      )
      return collectedOf(found)
    })
  })
})

/** What is collected so far, in the order in which it was told. */
interface Found {
  readonly artifacts: Array<Artifact>
  /** Those that are kept under another name than their own. */
  readonly renamed: Array<string>
  readonly rejections: Rejections
}

/** An entry, and what it is kept as. */
interface NamedEntry {
  readonly entry: OutputListing.ListedEntry
  readonly name: string
}

const tell = ({ onFound }: CollectOptions, found: FoundArtifact) => onFound?.(found) ?? Effect.void

const refuse = (
  options: CollectOptions,
  { rejections }: Found,
  name: string,
  { flaw, reason }: Pick<Refused, "flaw" | "reason">,
  count = 1
) =>
  Effect.suspend(() => {
    const refused = rejections.add(options.hidden?.inText(name) ?? name, flaw, count)
    return refused === undefined ? Effect.void : tell(options, { refused })
  }).pipe(Effect.zipRight(Metric.incrementBy(refusals({ reason }), count)))

/** Puts what lies in a directory right behind it. */
const byName = Order.mapInput(Order.string, ({ name }: NamedEntry) => name.replaceAll("/", "\0"))

/** First those that are worth most, as many as may be kept, by their names; then the others by their worth. */
const namedEntries = (
  entries: ReadonlyArray<OutputListing.ListedEntry>,
  most: number
): ReadonlyArray<NamedEntry> => {
  const names = ArtifactNames.composed(entries.map(({ path }) => decoded(path)))
  const named = entries.map((entry, index) => ({ entry, name: names[index] ?? "" }))
  return [...Arr.sort(named.slice(0, most), byName), ...named.slice(most)]
}

const renamedHint = (name: string) =>
  `A file is kept as ${shownPath(name)}, since another has the same name but for how its accents are written.`

const collectedOf = ({ artifacts, rejections, renamed }: Found): CollectedArtifacts => ({
  artifacts,
  ...rejections.collected,
  ...(renamed.length > 0 && { hints: renamed.map(renamedHint) })
})

/**
 * Keeps, in the store provided, each file whose extension is among the `AllowedArtifacts` of its user, whose content the inspector provided finds to be what its name says, and in which the scanner provided finds nothing.
 */
export const layer = () => Layer.effect(ArtifactCollector, make)

/** Keeps artifacts in memory and scans none. */
export const layerMemory: Layer.Layer<ArtifactCollector> = Layer.provide(
  layer(),
  Layer.mergeAll(ArtifactStore.layerMemory, ArtifactInspector.layerMemory, ArtifactScanner.layerOff)
)
