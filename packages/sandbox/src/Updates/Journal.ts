import type { ExecutionResult, ExecutionUpdate } from "@bulkhead/domain"
import * as Characters from "../Supervision/Characters.js"
import {
  beginning,
  endId,
  idOf,
  isBefore,
  type OutputStream,
  ofRetry,
  type UpdatePosition
} from "./UpdatePosition.js"

type Untold<Update> = Update extends ExecutionUpdate ? Omit<Update, "id"> : never

/** An update without its id, which the journal knows. */
export type Told = Untold<
  Extract<ExecutionUpdate, { readonly type: "queued" | "started" | "retrying" | "artifact" }>
>

/** The last update. */
export type Last = Untold<Extract<ExecutionUpdate, { readonly type: "result" | "ended" }>>

/** What is kept of one update. `at` is where it begins. */
type Entry = { readonly at: UpdatePosition } & (
  | { readonly _tag: "Output"; readonly stream: OutputStream; readonly bytes: Uint8Array }
  | { readonly _tag: "Told"; readonly update: Told }
  | { readonly _tag: "Last"; readonly update: Last }
)

/** What a reader is given, and where it goes on. */
export interface Read {
  readonly update: ExecutionUpdate
  readonly next: UpdatePosition | "end"
}

/** Bytes of output that are kept for readers, in at most so many entries. */
const mostBytes = 256 * 1024
const mostEntries = 4096

/** Bytes of one update's text. */
export const mostText = 64 * 1024

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

export const outputUpdate = (stream: OutputStream, at: UpdatePosition, bytes: Uint8Array): Read => {
  const next = { ...at, [stream]: at[stream] + bytes.length }
  const update = { type: stream, id: idOf(next), offset: at[stream], text: decoder.decode(bytes) }
  return { update, next }
}

const gap = (from: number, to: number) => (from < to ? { from, to } : undefined)

/** Output between two positions of one attempt that a reader does not get. */
export const missedUpdate = (from: UpdatePosition, to: UpdatePosition): Read => {
  const stdout = gap(from.stdout, to.stdout)
  const stderr = gap(from.stderr, to.stderr)
  return {
    update: { type: "missed", id: idOf(to), ...(stdout && { stdout }), ...(stderr && { stderr }) },
    next: to
  }
}

const afterTold = (at: UpdatePosition, update: Told): UpdatePosition => {
  if (update.type === "retrying") return ofRetry(at, update.retry)
  if (update.type !== "artifact") return { ...at, others: at.others + 1 }
  return update.kept === undefined ? { ...at, refused: at.refused + 1 } : { ...at, kept: at.kept + 1 }
}

/** The files of a result that a reader has not been told of. */
export const artifactUpdates = (
  { artifacts, rejectedArtifacts }: ExecutionResult,
  from: UpdatePosition
): ReadonlyArray<Told> => [
  ...artifacts.slice(from.kept).map((kept) => ({ type: "artifact", kept }) as const),
  ...rejectedArtifacts.slice(from.refused).map((refused) => ({ type: "artifact", refused }) as const)
]

const after = (entry: Entry): UpdatePosition | "end" => {
  switch (entry._tag) {
    case "Output":
      return { ...entry.at, [entry.stream]: entry.at[entry.stream] + entry.bytes.length }
    case "Told":
      return afterTold(entry.at, entry.update)
    case "Last":
      return "end"
  }
}

/** The latest updates of one execution, in bounded memory, to be read from any position by any number of readers. */
export class Journal {
  /** Whether the last update is there. */
  isOver = false
  private readonly entries: Array<Entry> = []
  private bytes = 0
  private position = beginning
  /** Whoever has missed it must know that offsets have begun anew. */
  private retry: (Entry & { readonly _tag: "Told" }) | undefined

  tell(update: Told): void {
    const entry = { _tag: "Told", at: this.position, update } as const
    if (update.type === "retrying") this.retry = entry
    this.position = afterTold(this.position, update)
    this.push(entry)
  }

  output(stream: OutputStream, bytes: Uint8Array): void {
    for (const piece of Characters.pieces(bytes, mostText)) {
      const entry = { _tag: "Output", at: this.position, stream, bytes: piece } as const
      this.bytes += piece.length
      this.position = { ...this.position, [stream]: this.position[stream] + piece.length }
      this.push(entry)
    }
  }

  end(update: Last): void {
    if (update.type === "result")
      for (const artifact of artifactUpdates(update.result, this.position)) this.tell(artifact)
    this.push({ _tag: "Last", at: this.position, update })
    this.isOver = true
  }

  /** The first update after a position, which may join several pieces of output; none: there is none yet. */
  read(from: UpdatePosition): Read | undefined {
    const oldest = this.entries[0]
    const skipped = oldest === undefined ? undefined : this.skip(from, oldest.at)
    if (skipped !== undefined) return skipped
    const index = this.firstAfter(from)
    const entry = this.entries[index]
    if (entry === undefined) return undefined
    switch (entry._tag) {
      case "Output":
        return outputUpdate(entry.stream, ...this.joined(index, entry.stream, from))
      case "Told":
        return toldUpdate(entry)
      case "Last":
        return { update: { ...entry.update, id: endId }, next: "end" }
    }
  }

  private push(entry: Entry): void {
    this.entries.push(entry)
    while (this.bytes > mostBytes || this.entries.length > mostEntries) {
      const dropped = this.entries.shift()
      if (dropped?._tag === "Output") this.bytes -= dropped.bytes.length
    }
  }

  /** What a reader has to be told who comes from before what is kept; of a retry first. */
  private skip(from: UpdatePosition, to: UpdatePosition): Read | undefined {
    if (!isBefore(from, to)) return undefined
    if (from.attempt < to.attempt && this.retry !== undefined) return toldUpdate(this.retry)
    return from.stdout < to.stdout || from.stderr < to.stderr ? missedUpdate(from, to) : undefined
  }

  /** By halves: what comes before is over by then. */
  private firstAfter(from: UpdatePosition): number {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      const entry = this.entries[middle]
      const end = entry && after(entry)
      if (end !== undefined && end !== "end" && !isBefore(from, end)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The output of one stream from a position to where another update comes, or to as much as one text may have. */
  private joined(first: number, stream: OutputStream, from: UpdatePosition): [UpdatePosition, Uint8Array] {
    const pieces: Array<Uint8Array> = []
    let size = 0
    for (let index = first; ; index++) {
      const entry = this.entries[index]
      if (entry?._tag !== "Output" || entry.stream !== stream) break
      if (pieces.length > 0 && size + entry.bytes.length > mostText) break
      pieces.push(entry.bytes)
      size += entry.bytes.length
    }
    const at = this.entries[first]?.at ?? from
    // Who has had a part of it comes from another server's cuts.
    const had = Math.max(0, from[stream] - at[stream])
    return [{ ...at, [stream]: at[stream] + had }, concat(pieces, size).subarray(had)]
  }
}

export const toldUpdate = ({ at, update }: { readonly at: UpdatePosition; readonly update: Told }) => {
  const next = afterTold(at, update)
  return { update: { ...update, id: idOf(next) }, next }
}

const concat = (pieces: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const [only] = pieces
  if (only !== undefined && pieces.length === 1) return only
  const all = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
