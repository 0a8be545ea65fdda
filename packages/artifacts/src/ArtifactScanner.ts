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

/** Looks for malware. */
export class ArtifactScanner extends Context.Tag("@bulkhead/artifacts/ArtifactScanner")<
  ArtifactScanner,
  {
    /** Reads a file to its end, or until it knows enough. */
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
