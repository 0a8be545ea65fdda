import { Schema } from "effect"

/** A file that a program left in its output directory, and that is kept. */
export const Artifact = Schema.Struct({
  /** Relative to the output directory. */
  name: Schema.String,
  /** Bytes. */
  size: Schema.Number,
  /** Of its content, in lower-case hex. */
  sha256: Schema.String,
  /** What it is served as. */
  mediaType: Schema.String
})
export type Artifact = typeof Artifact.Type

/** Something in the output directory that is not kept, and why. */
export const RejectedArtifact = Schema.Struct({
  /** Fit to be shown: escaped, and cut when it is long. */
  name: Schema.String,
  /** Begins with `Artifact validation failed`. */
  reason: Schema.String
})
export type RejectedArtifact = typeof RejectedArtifact.Type
