import { Schema } from "effect"
import { UserId } from "./UserId.js"

/** The id of a file that was sent, and that requests may name for as long as it is kept. Beyond guessing. */
export const FileId = Schema.String.pipe(
  Schema.pattern(/^file_[0-9a-f]{32}$/, {
    message: () => "expected the id of a file, like file_ and 32 digits",
    description: "Names the file: file_ and 32 hexadecimal digits."
  }),
  Schema.brand("FileId")
)
export type FileId = typeof FileId.Type

/** A file that was sent and is kept for a while, so that requests can name it. */
export const Upload = Schema.Struct({
  fileId: FileId,
  name: Schema.String.annotations({
    description: "As its sender has named it, which need not be unique.",
    examples: ["data.csv"]
  }),
  bytes: Schema.Number.annotations({ description: "Its size in bytes.", examples: [1024] }),
  sha256: Schema.String.annotations({ description: "Of its content, in lower-case hex." }),
  expiresAt: Schema.Number.annotations({
    description: "After that it is not there any more: milliseconds since the epoch.",
    examples: [1_767_312_000_000]
  })
}).annotations({ identifier: "Upload" })
export type Upload = typeof Upload.Type

/** A file and whose it is. */
export const OwnedUpload = Schema.Struct({ ...Upload.fields, userId: UserId })
export type OwnedUpload = typeof OwnedUpload.Type
