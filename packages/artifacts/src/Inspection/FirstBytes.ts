import { Effect } from "effect"
import { fileTypeFromBuffer } from "file-type/core"
import type { ArtifactRules } from "../ArtifactKinds.js"
import { isNoText } from "./Text.js"

/** How many first bytes tell what a file is. */
export const sniffedBytes = 4100

/** What the first bytes of a file are taken for; `undefined`: nothing that is known, or that can be read to the end. */
const sniff = (head: Uint8Array) =>
  Effect.tryPromise(() => fileTypeFromBuffer(head)).pipe(
    Effect.map((found) => found?.ext as string | undefined),
    Effect.orElseSucceed(() => undefined)
  )

const mismatch = "its content is not what its name says"

/** What a file looks like that is no text. */
const unlikeText = (head: Uint8Array, flaw: string) =>
  Effect.map(sniff(head), (found) => (found === undefined ? flaw : `${mismatch}: it looks like ${found}`))

/**
 * What is wrong with the first bytes of a file under these rules, if anything is; or else the flaw that was found in
 * its structure. A text may begin with whatever it likes.
 */
export const judge = Effect.fnUntraced(function* (
  { sniffed }: ArtifactRules,
  head: Uint8Array,
  flaw: string | undefined
) {
  if (head.length === 0 && (sniffed !== undefined || flaw !== undefined)) return "it is empty"
  if (sniffed === undefined)
    return flaw !== undefined && (isNoText(flaw) || flaw === mismatch) ? yield* unlikeText(head, flaw) : flaw
  const found = yield* sniff(head)
  if (sniffed.includes(found)) return flaw
  return found === undefined ? mismatch : `${mismatch}: it looks like ${found}`
})
