import { Effect } from "effect"
import { fileTypeFromBuffer } from "file-type/core"
import type { ArtifactRules } from "../ArtifactKinds.js"

/** How many first bytes tell what a file is. */
export const sniffedBytes = 4100

/** What the first bytes of a file are taken for; `undefined`: nothing that is known, or that can be read to the end. */
const sniff = (head: Uint8Array) =>
  Effect.tryPromise(() => fileTypeFromBuffer(head)).pipe(
    Effect.map((found) => found?.ext as string | undefined),
    Effect.orElseSucceed(() => undefined)
  )

/** What is wrong with the first bytes of a file under these rules, if anything is. */
export const judge = Effect.fnUntraced(function* ({ checks, sniffed }: ArtifactRules, head: Uint8Array) {
  if (head.length === 0) return checks.includes("utf8") ? undefined : "it is empty"
  if (sniffed.length === 0) return undefined
  const found = yield* sniff(head)
  if (sniffed.includes(found)) return undefined
  return found === undefined
    ? "its content is not what its name says"
    : `its content is not what its name says: it looks like ${found}`
})
