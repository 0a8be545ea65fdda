import { byteAt, has, textAt, u16, u32, u32le } from "./Cursor.js"
import { type Cursor, type Parser, structured } from "./Inspector.js"

const mismatch = "its content is not what its name says"

const iend = 0x49454e44

export function* pngParser(cursor: Cursor): Parser {
  yield { bytes: 8 }
  if (u32(cursor, 0) !== 0x89504e47 || u32(cursor, 4) !== 0x0d0a1a0a) return mismatch
  cursor.at += 8
  for (;;) {
    if (!has(cursor, 8)) yield { bytes: 8 }
    const kind = u32(cursor, 4)
    cursor.at += 12 + u32(cursor, 0)
    if (kind === iend) return undefined
  }
}
/** Ends with its last chunk. */
export const png = () => structured(pngParser)

const colorTable = (packed: number) => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0)

/** Moves past blocks that each say how long they are. False: none of no length, which is the last, is at hand. */
const passBlocks = (cursor: Cursor) => {
  while (has(cursor, 1)) {
    const length = byteAt(cursor, 0)
    cursor.at += 1 + length
    if (length === 0) return true
  }
  return false
}

export function* gifParser(cursor: Cursor): Parser {
  yield { bytes: 13 }
  if (!/^GIF8[79]a$/.test(textAt(cursor, 0, 6))) return mismatch
  cursor.at += 13 + colorTable(byteAt(cursor, 10))
  for (;;) {
    if (!has(cursor, 1)) yield { bytes: 1 }
    const kind = byteAt(cursor, 0)
    if (kind === 0x3b) {
      cursor.at += 1
      return undefined
    }
    if (kind === 0x2c) {
      if (!has(cursor, 10)) yield { bytes: 10 }
      cursor.at += 11 + colorTable(byteAt(cursor, 9))
    } else if (kind === 0x21) cursor.at += 2
    else return "it is not a whole GIF"
    while (!passBlocks(cursor)) yield { bytes: 1 }
  }
}
/** Ends with its trailer. */
export const gif = () => structured(gifParser)

/** Moves past fill bytes. False: all that is at hand is fill. */
const passFill = (cursor: Cursor) => {
  const { bytes } = cursor
  let at = cursor.at
  while (bytes[at] === 0xff) at += 1
  cursor.at = at
  return has(cursor, 1)
}

const isRestart = (marker: number) => marker >= 0xd0 && marker <= 0xd7

/**
 * Moves to the marker behind a scan, whose own 0xff bytes are followed by 0 or by a restart. False: it is not at hand,
 * and the cursor is where to look on.
 */
const passScan = (cursor: Cursor) => {
  while (has(cursor, 1)) {
    const at = byteAt(cursor, 0) === 0xff ? cursor.at : cursor.bytes.indexOf(0xff, cursor.at)
    cursor.at = at === -1 ? cursor.bytes.length : at
    if (at === -1) return false
    if (!passFill(cursor)) {
      // The last 0xff stays, to be seen as such with what follows.
      cursor.at -= 1
      return false
    }
    const marker = byteAt(cursor, 0)
    if (marker !== 0 && !isRestart(marker)) return true
    cursor.at += 1
  }
  return false
}

export function* jpegParser(cursor: Cursor): Parser {
  yield { bytes: 2 }
  if (u16(cursor, 0) !== 0xffd8) return mismatch
  cursor.at += 2
  let isAtMarker = false
  for (;;) {
    if (!isAtMarker) {
      if (!has(cursor, 1)) yield { bytes: 1 }
      if (byteAt(cursor, 0) !== 0xff) return "it is not a whole JPEG"
      while (!passFill(cursor)) yield { bytes: 1 }
    }
    const marker = byteAt(cursor, 0)
    if (marker === 0xd9) {
      cursor.at += 1
      if (!has(cursor, 1)) yield { bytes: 1, orEnd: true }
      if (byteAt(cursor, 0) !== 0xff) return undefined
      // Cameras append further pictures, such as one for a brighter screen.
      if (!has(cursor, 2)) yield { bytes: 2 }
      if (u16(cursor, 0) !== 0xffd8) return undefined
      cursor.at += 2
      isAtMarker = false
      continue
    }
    if (marker === 0) return "it is not a whole JPEG"
    if (!has(cursor, 3)) yield { bytes: 3 }
    const length = u16(cursor, 1)
    if (length < 2) return "it is not a whole JPEG"
    cursor.at += 1 + length
    isAtMarker = marker === 0xda
    if (isAtMarker) while (!passScan(cursor)) yield { bytes: 2 }
  }
}
/** Ends with its end-of-image marker, or with that of the last of several images. */
export const jpeg = () => structured(jpegParser)

function* bmpParser(cursor: Cursor): Parser {
  yield { bytes: 6 }
  if (textAt(cursor, 0, 2) !== "BM") return mismatch
  const size = u32le(cursor, 2)
  if (size < 26) return "it is not a whole BMP"
  cursor.at += size
  return undefined
}
/** As long as it says itself. */
export const bmp = () => structured(bmpParser)
