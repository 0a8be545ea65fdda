import { Schema } from "effect"

/** A file that a program left in its output directory, and that is kept. */
export const Artifact = Schema.Struct({
  name: Schema.String.annotations({
    description: "Relative to the output directory.",
    examples: ["plots/a.png"]
  }),
  size: Schema.Number.annotations({ description: "Bytes.", examples: [1024] }),
  sha256: Schema.String.annotations({ description: "Of its content, in lower-case hex." }),
  mediaType: Schema.String.annotations({
    description: "What it is served as; a text's charset is said where it is sure.",
    examples: ["image/png"]
  })
})
export type Artifact = typeof Artifact.Type

/** Something in the output directory that is not kept, and why. */
export const RejectedArtifact = Schema.Struct({
  name: Schema.String.annotations({
    description: "Fit to be shown: escaped, and cut when it is long."
  }),
  reason: Schema.String.annotations({ description: "Why; begins with `Artifact validation failed`." })
})
export type RejectedArtifact = typeof RejectedArtifact.Type
