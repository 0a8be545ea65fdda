import type { StandardIo } from "@bulkhead/mcp"
import { NodeStream } from "@effect/platform-node"
import { Effect, Stream } from "effect"

/** Returns when the line is on its way; a client that does not read holds up whoever sends. */
const send = (line: string) =>
  Effect.async<void>((resume) => {
    // Whether it can be written is told by the stream's own error.
    process.stdout.write(`${line}\n`, () => resume(Effect.void))
  })

const outputFailed = Effect.async<void>((resume) => {
  process.stdout.once("error", () => resume(Effect.void))
})

/** This process's stdin and stdout. A client that reads no more has gone as one that writes no more. */
export const processIo: StandardIo = {
  input: Stream.interruptWhen(Stream.orDie(NodeStream.stdin), outputFailed),
  send
}
