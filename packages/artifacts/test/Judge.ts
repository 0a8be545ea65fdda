import { ArtifactInspector } from "@bulkhead/artifacts"
import { Effect, Stream } from "effect"
import * as ArtifactPolicy from "../src/ArtifactPolicy.js"

const program = new URL("../../../.setup/InspectionWorker.js", import.meta.url)

/** Threads as a server has them, with a server's bounds. */
export const threads = ArtifactInspector.layer({ program })

const pieceBytes = 65_536

const pieces = (content: Uint8Array) =>
  Array.from({ length: Math.ceil(content.length / pieceBytes) }, (_, index) =>
    content.subarray(index * pieceBytes, (index + 1) * pieceBytes)
  )

/** Why the gate refuses a file; `undefined`: it keeps it. */
export const flawOf = (name: string, content: Uint8Array) =>
  Effect.gen(function* () {
    const kind = ArtifactPolicy.judgeName(name)
    if (typeof kind === "string") return kind
    const inspected = yield* (yield* ArtifactInspector).inspect(kind, Stream.fromIterable(pieces(content)))
    return inspected._tag === "Flawed" ? inspected.flaw : undefined
  })
