import { assert, describe, it } from "@effect/vitest"
import * as Images from "../src/Inspection/Images.js"
import { atEnd, type Cursor, type Parser, structured } from "../src/Inspection/Inspector.js"
import * as Media from "../src/Inspection/Media.js"

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")

/** How often a parser asked for more while it walked through a file in pieces of 4 KB. */
const waitsOf = (make: (cursor: Cursor) => Parser, file: Uint8Array) => {
  let waits = 0
  const inspector = structured(function* (cursor) {
    const parser = make(cursor)
    for (let next = parser.next(); ; next = parser.next()) {
      if (next.done) return next.value
      waits += 1
      yield next.value
    }
  })
  for (let at = 0; at < file.length; at += 4096) {
    const flaw = inspector.push(file.subarray(at, at + 4096))
    assert.isUndefined(flaw)
  }
  assert.isUndefined(inspector.end())
  return waits
}

const jpegHead = "ffd8 ffe0 0010 4a46494600010100000100010000"
const gifHead = "474946383961 0100 0100 80 00 00 000000 ffffff"

describe("a file of a million little parts costs a loop, and no wait for each", () => {
  const rows: ReadonlyArray<readonly [string, (cursor: Cursor) => Parser, string, string, string]> = [
    ["fill bytes of a JPEG", Images.jpegParser, jpegHead, "ff", "d9"],
    ["segments of a JPEG", Images.jpegParser, jpegHead, "ffe00002", "ffd9"],
    ["restarts of a JPEG", Images.jpegParser, `${jpegHead} ffda0002`, "ffd0", "ffd9"],
    ["stuffed bytes of a JPEG", Images.jpegParser, `${jpegHead} ffda0002`, "ff00", "ffd9"],
    ["fill bytes in a JPEG's scan", Images.jpegParser, `${jpegHead} ffda0002`, "ffffff00", "ffd9"],
    ["blocks of a GIF", Images.gifParser, `${gifHead} 21f9`, "0141", "003b"],
    ["extensions of a GIF", Images.gifParser, gifHead, "21f900", "3b"],
    ["images of a GIF", Images.gifParser, gifHead, "2c 0000 0000 0100 0100 00 02 00", "3b"],
    [
      "chunks of a PNG",
      Images.pngParser,
      "89504e470d0a1a0a",
      "00000000 74455874 00000000",
      "00000000 49454e44 ae426082"
    ],
    ["boxes of an MP4", Media.mp4Parser, "00000008 66747970", "00000008 66726565", "00000008 6d646174"]
  ]
  for (const [what, parser, head, part, tail] of rows) {
    it(what, () => {
      const pieces = 64
      const parts = Buffer.alloc(pieces * 4096, hex(part))
      const whole = parts.subarray(0, parts.length - (parts.length % hex(part).length))
      const waits = waitsOf(parser, Buffer.concat([hex(head), whole, hex(tail)]))
      assert.isAtMost(waits, 3 * (pieces + 2))
    })
  }
})

describe("a file's last bytes", () => {
  for (const piece of [1, 3, 7, 10, 64]) {
    it(`are what they are, in pieces of ${piece}`, () => {
      const file = Buffer.from(Array.from({ length: 53 }, (_, index) => index))
      for (let length = 0; length <= file.length; length++) {
        const inspector = atEnd(10, (tail, size) => `${size}: ${Buffer.from(tail).toString("hex")}`)
        for (let at = 0; at < length; at += piece)
          inspector.push(file.subarray(at, Math.min(at + piece, length)))
        const tail = file.subarray(Math.max(length - 10, 0), length)
        assert.strictEqual(inspector.end(), `${length}: ${tail.toString("hex")}`)
      }
    })
  }
})
