import { createHash } from "node:crypto"
import {
  type ArtifactRange,
  ArtifactStore,
  ArtifactStoreFailure,
  defaultWhitelist
} from "@bulkhead/artifacts"
import type { ExecutionRecord } from "@bulkhead/domain"
import { Effect, Layer, Option, Stream } from "effect"
import { completed, executionId } from "./StubSandboxService.js"
import { alice } from "./TestServer.js"

/** What is kept, by name. */
type Files = Readonly<Record<string, string>>

const mediaTypeOf = (name: string) =>
  `${defaultWhitelist[name.replace(/^.*\./s, "")]?.mediaType ?? "application/octet-stream"}; charset=utf-8`

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text))

/** The record of an execution of alice's that left these files. */
export const recordOf = (files: Files): ExecutionRecord => ({
  executionId,
  userId: alice,
  state: "ended",
  startedAt: 1,
  endedAt: 2,
  result: {
    ...completed,
    artifacts: Object.entries(files).map(([name, text]) => ({
      name,
      size: bytesOf(text).length,
      sha256: createHash("sha256").update(text).digest("hex"),
      mediaType: mediaTypeOf(name)
    }))
  }
})

const unmeant = () => Effect.dieMessage("was not meant to be called")

/** A store that can only be read. */
export const of = (open: ArtifactStore["Type"]["open"]) =>
  Layer.succeed(ArtifactStore, { stage: unmeant, remove: unmeant, taken: unmeant, open })

/** Keeps these files of one execution. */
export const layer = (files: Files) =>
  of((id, name, { length, offset }: ArtifactRange = { offset: 0 }) =>
    Effect.sync(() =>
      Option.map(Option.fromNullable(id === executionId ? files[name] : undefined), (text) => ({
        size: bytesOf(text).length,
        content: Stream.make(
          bytesOf(text).subarray(offset, length === undefined ? undefined : offset + length)
        )
      }))
    )
  )

export const failure = new ArtifactStoreFailure({
  reason: "Unavailable",
  cause: new Error("EIO at /var/lib/bulkhead")
})
