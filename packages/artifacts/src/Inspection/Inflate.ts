import { Z_BUF_ERROR, Z_NO_FLUSH, Z_OK, Z_STREAM_END, ZStream, zlibInflate, zlibInflateInit2 } from "pako"
import { has, type Take } from "./Cursor.js"
import type { Cursor, Want } from "./Inspector.js"

/** How deflated bytes are wrapped, as zlib numbers it. */
export const windowBits = { raw: -15, gzip: 31 }

/** What is unpacked is copied out of here before anything else is. */
const output = new Uint8Array(65_536)

/** Unpacks deflated bytes at the cursor, hands on what comes out of them, and moves past them. */
export function* inflate(
  cursor: Cursor,
  bits: number,
  take: Take
): Generator<Want, string | undefined, void> {
  const stream = new ZStream()
  zlibInflateInit2(stream, bits)
  // What filled its room may have more behind it, for which no more input is needed.
  let isFull = false
  for (;;) {
    if (!isFull && !has(cursor, 1)) yield { bytes: 1 }
    stream.input = cursor.bytes
    stream.next_in = cursor.at
    stream.avail_in = cursor.bytes.length - cursor.at
    stream.output = output
    stream.next_out = 0
    stream.avail_out = output.length
    const status = zlibInflate(stream, Z_NO_FLUSH)
    const isStuck = status === Z_BUF_ERROR && stream.avail_in > 0 && stream.next_out === 0
    cursor.at = stream.next_in
    const flaw = stream.next_out > 0 ? take(output.slice(0, stream.next_out)) : undefined
    if (flaw !== undefined) return flaw
    if (status === Z_STREAM_END) return undefined
    if (isStuck || (status !== Z_OK && status !== Z_BUF_ERROR)) return "its compressed data is broken"
    isFull = stream.avail_out === 0
  }
}
