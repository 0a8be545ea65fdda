import { Schema } from "effect"
import { UserId } from "./UserId.js"

/** The id of a file that was sent, and that requests may name for as long as it is kept. Beyond guessing. */
export const FileId = Schema.String.pipe(
  Schema.pattern(/^file_[0-9a-f]{32}$/, {
    message: () => "expected the id of a file, like file_ and 32 digits"
  }),
  Schema.brand("FileId")
)
export type FileId = typeof FileId.Type

/** A file that was sent and is kept for a while, so that requests can name it. */
export const Upload = Schema.Struct({
  fileId: FileId,
  /** As its sender has named it; no path and not unique. */
  name: Schema.String,
  bytes: Schema.Number,
  /** Of its content, in hex. */
  sha256: Schema.String,
  /** Milliseconds since the epoch after which it is not there any more. */
  expiresAt: Schema.Number
}).annotations({ identifier: "Upload" })
export type Upload = typeof Upload.Type

/** A file and whose it is. */
export const OwnedUpload = Schema.Struct({ ...Upload.fields, userId: UserId })
export type OwnedUpload = typeof OwnedUpload.Type
