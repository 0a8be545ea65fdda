import { atEnd, byHead, type Inspector, latin1 } from "./Inspector.js"
import { text } from "./Text.js"

const stlHeader = 84
const stlTriangle = 50

const isShort = "it is not a whole STL"

const binaryStl = (head: Uint8Array) => {
  const triangles = Buffer.from(head).readUInt32LE(80)
  return atEnd(1, (_, size) => (size === stlHeader + triangles * stlTriangle ? undefined : isShort))
}

/** A mesh as STL: text, or as many triangles as it says. */
export const stl = (): Inspector =>
  byHead(stlHeader, (head) => (head.includes(0) && head.length >= stlHeader ? binaryStl(head) : text()))

/** A mesh as PLY, whose header says what follows, text or not. */
export const ply = (): Inspector =>
  byHead(1024, (head) => {
    const begins = latin1(head)
    if (!/^ply\r?\n/.test(begins)) return atEnd(1, () => "its content is not what its name says")
    return /^format binary_/m.test(begins) ? atEnd(1, () => undefined) : text()
  })
