import type { ExecutionRecord, ExecutionResult } from "@bulkhead/domain"
import { Array as Arr } from "effect"
import * as Characters from "../Supervision/Characters.js"
import { artifactUpdates, missedUpdate, mostText, outputUpdate, type Read, toldUpdate } from "./Journal.js"
import { endId, idOf, type OutputStream, ofRetry, type UpdatePosition } from "./UpdatePosition.js"

const encoder = new TextEncoder()

/** Whether the result has all that its readers could have been told. A supervisor cuts what it passes on. */
const isWhole = ({ output, receipt }: ExecutionResult) =>
  !output.truncated || receipt?.leftRunning !== undefined

/** What a reader has not seen yet of one stream. */
const restOf = (result: ExecutionResult, stream: OutputStream, from: UpdatePosition): ReadonlyArray<Read> => {
  if (!isWhole(result)) {
    const to = { ...from, [stream]: Math.max(from[stream], result.output[`${stream}Bytes`]) }
    return to[stream] > from[stream] ? [missedUpdate(from, to)] : []
  }
  const reads: Array<Read> = []
  let at = from
  for (const piece of Characters.pieces(encoder.encode(result[stream]).subarray(from[stream]), mostText)) {
    reads.push(outputUpdate(stream, at, piece))
    at = { ...at, [stream]: at[stream] + piece.length }
  }
  return reads
}

/** A result has the output of its last attempt. */
const retryTo = (result: ExecutionResult, from: UpdatePosition): ReadonlyArray<Read> => {
  const { retries } = result.metrics
  if (from.attempt >= retries) return []
  const next = ofRetry(from, retries)
  const reason = "The infrastructure failed"
  return [{ update: { type: "retrying", id: idOf(next), retry: retries, reason }, next }]
}

const artifactsOf = (result: ExecutionResult, from: UpdatePosition): ReadonlyArray<Read> => {
  const [, reads] = Arr.mapAccum(artifactUpdates(result, from), from, (at, update) => {
    const read = toldUpdate({ at, update })
    return [read.next, read]
  })
  return reads
}

const lastOf = <A>(all: ReadonlyArray<{ readonly next: A }>, otherwise: A) => all.at(-1)?.next ?? otherwise

/** What an execution that has ended still has for a reader, by what is kept of it. */
export const after = ({ result, verdict }: ExecutionRecord, from: UpdatePosition): ReadonlyArray<Read> => {
  if (result === undefined) {
    return [{ update: { type: "ended", id: endId, ...(verdict && { verdict }) }, next: "end" }]
  }
  const reads: Array<Read> = []
  const add = (more: (at: UpdatePosition) => ReadonlyArray<Read>) => {
    const at = lastOf(reads, from)
    if (at !== "end") reads.push(...more(at))
  }
  add((at) => retryTo(result, at))
  add((at) => restOf(result, "stdout", at))
  add((at) => restOf(result, "stderr", at))
  add((at) => artifactsOf(result, at))
  reads.push({ update: { type: "result", id: endId, result }, next: "end" })
  return reads
}
