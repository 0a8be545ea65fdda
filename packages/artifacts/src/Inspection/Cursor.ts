import type { Cursor, Want } from "./Inspector.js"

// These read at the cursor what a parser has asked for, and do not move it.
export const byteAt = ({ at, bytes }: Cursor, offset: number) => bytes[at + offset] ?? 0
export const u16 = (cursor: Cursor, offset: number) =>
  byteAt(cursor, offset) * 256 + byteAt(cursor, offset + 1)
export const u32 = (cursor: Cursor, offset: number) => u16(cursor, offset) * 65_536 + u16(cursor, offset + 2)
export const u16le = (cursor: Cursor, offset: number) =>
  byteAt(cursor, offset) + byteAt(cursor, offset + 1) * 256
export const u32le = (cursor: Cursor, offset: number) =>
  u16le(cursor, offset) + u16le(cursor, offset + 2) * 65_536
/** Too large to be exact is too large for any file. */
export const u64 = (cursor: Cursor, offset: number) => u32(cursor, offset) * 2 ** 32 + u32(cursor, offset + 4)
export const u64le = (cursor: Cursor, offset: number) =>
  u32le(cursor, offset) + u32le(cursor, offset + 4) * 2 ** 32

/** So many bytes, as they are. */
export const bytesAt = ({ at, bytes }: Cursor, offset: number, count: number) =>
  bytes.subarray(at + offset, at + offset + count)

/** A character for each of so many bytes. */
export const textAt = ({ at, bytes }: Cursor, offset: number, count: number) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(
    "latin1",
    at + offset,
    at + offset + count
  )

/** Whether so many bytes are at hand at the cursor. */
export const has = ({ at, bytes }: Cursor, count: number) => at + count <= bytes.length

/** Where in the file the cursor is. */
export const positionOf = ({ at, start }: Cursor) => start + at

/** What takes bytes as they come; what it gives is wrong with them. */
export type Take = (bytes: Uint8Array) => string | undefined

/** Moves past so many bytes and hands them on as they come. */
export function* handOn(
  cursor: Cursor,
  count: number,
  take: Take
): Generator<Want, string | undefined, void> {
  for (let left = count; left > 0; ) {
    if (!has(cursor, 1)) yield { bytes: 1 }
    const some = cursor.bytes.subarray(cursor.at, cursor.at + left)
    cursor.at += some.length
    left -= some.length
    const flaw = take(some)
    if (flaw !== undefined) return flaw
  }
  return undefined
}
