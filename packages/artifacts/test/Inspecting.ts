import { Effect } from "effect"
import { defaultWhitelist } from "../src/ArtifactKinds.js"
import * as ArtifactPolicy from "../src/ArtifactPolicy.js"
import * as FileInspection from "../src/Inspection/FileInspection.js"

/** What comes of a file of this name that comes in pieces of this many bytes; a name that is refused is flawed. */
export const inspect = Effect.fnUntraced(function* (
  name: string,
  content: Uint8Array,
  { piece = 65_536, whitelist = defaultWhitelist } = {}
): Effect.fn.Return<FileInspection.Inspected> {
  const kind = ArtifactPolicy.judgeName(name, whitelist)
  if (typeof kind === "string") return { _tag: "Flawed", flaw: kind }
  const inspection = FileInspection.make(kind)
  for (let at = 0; at < content.length; at += piece) {
    const flaw = yield* inspection.push(content.subarray(at, at + piece))
    if (flaw !== undefined) return { _tag: "Flawed", flaw }
  }
  return yield* inspection.end
})

/** What is wrong with it, if anything is. */
export const flawOf = (name: string, content: Uint8Array, options: Parameters<typeof inspect>[2] = {}) =>
  Effect.map(inspect(name, content, options), (inspected) =>
    inspected._tag === "Flawed" ? inspected.flaw : undefined
  )
