import { Effect } from "effect"
import * as ArtifactPolicy from "../src/ArtifactPolicy.js"
import * as FileInspection from "../src/Inspection/FileInspection.js"

/** What is wrong with a file of this name that comes in pieces of this many bytes. */
export const flawOf = Effect.fnUntraced(function* (name: string, content: Uint8Array, piece = 65_536) {
  const kind = ArtifactPolicy.judgeName(name)
  if (typeof kind === "string") return kind
  const inspection = FileInspection.make(kind)
  for (let at = 0; at < content.length; at += piece) {
    const flaw = yield* inspection.push(content.subarray(at, at + piece))
    if (flaw !== undefined) return flaw
  }
  const inspected = yield* inspection.end
  return inspected._tag === "Flawed" ? inspected.flaw : undefined
})
