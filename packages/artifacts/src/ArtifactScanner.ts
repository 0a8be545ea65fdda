import { Context, Effect, Layer, Schema, type Stream } from "effect"

/** What a scanner found. */
export type ScanVerdict =
  | { readonly _tag: "Clean" }
  /** `name` is the scanner's name for what it found. */
  | { readonly _tag: "Infected"; readonly name: string }

/** A file could not be scanned. Whoever asked must not take it for clean. */
export class ScanFailure extends Schema.TaggedError<ScanFailure>()("ScanFailure", {
  /** For the operator's log alone. */
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/**
 * Looks for malware.
 *
 * The collector calls it for several files at once, and keeps a file only if the answer is `Clean`. A scanner that
 * could not read all that it needs must fail, also for a file that is too large for it. It should answer within
 * seconds: all artifacts of an execution have two minutes together, and what is not scanned by then is refused.
 *
 * `ArtifactScannerConformance.suite` of `@bulkhead/testing/conformance` tests what of this can be seen from outside.
 */
export class ArtifactScanner extends Context.Tag("@bulkhead/artifacts/ArtifactScanner")<
  ArtifactScanner,
  {
    /**
     * Reads a file, in pieces of any size, to its end or until it knows enough. Fails as the file does when that cannot
     * be read. Interrupting it lets go of the file.
     */
    readonly scan: <E, R>(
      content: Stream.Stream<Uint8Array, E, R>
    ) => Effect.Effect<ScanVerdict, ScanFailure | E, R>
  }
>() {
  /** Takes every file for clean, unread. */
  static readonly layerOff = Layer.succeed(ArtifactScanner, {
    scan: () => Effect.succeed({ _tag: "Clean" } as const)
  })
}
