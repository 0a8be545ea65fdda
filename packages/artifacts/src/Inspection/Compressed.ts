import { has } from "./Cursor.js"
import { inflate, windowBits } from "./Inflate.js"
import { type Inside, unpacked } from "./Inside.js"
import { type Cursor, type Inspector, type Parser, structured } from "./Inspector.js"

const wholeNames: Readonly<Record<string, string>> = {
  tgz: "tar",
  tbz2: "tar",
  tbz: "tar",
  txz: "tar",
  tzst: "tar"
}

/** The name that a file has when it is not compressed: `a.csv` of `a.csv.gz`, `a.tar` of `a.tgz`. */
export const innerName = (name: string) => {
  const at = name.lastIndexOf(".")
  const whole = wholeNames[name.slice(at + 1).toLowerCase()]
  const plain = name.slice(name.lastIndexOf("/") + 1, at < 0 ? undefined : at)
  return whole === undefined ? plain : `${plain}.${whole}`
}

/** What comes out of the compressed file that is described. */
export const uncompressed = (inside: Inside): Inspector => unpacked(inside, innerName(inside.name))

export function* gzipParser(cursor: Cursor, inside: Inside): Parser {
  const content = uncompressed(inside)
  if (!has(cursor, 3)) yield { bytes: 3 }
  if (cursor.bytes[0] !== 0x1f || cursor.bytes[1] !== 0x8b || cursor.bytes[2] !== 8)
    return "its content is not what its name says"
  for (;;) {
    const flaw = yield* inflate(cursor, windowBits.gzip, content.push)
    if (flaw !== undefined) return flaw
    // Another member may follow, whose content is appended.
    if (!has(cursor, 1)) yield { bytes: 1, orEnd: true }
    if (!has(cursor, 1)) return content.end()
  }
}

/** A gzip file, of one or more members. */
export const gzip = (inside: Inside): Inspector => structured((cursor) => gzipParser(cursor, inside))
