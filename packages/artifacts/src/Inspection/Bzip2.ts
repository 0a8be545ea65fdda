import { Data, Either } from "effect"
import Bunzip from "seek-bzip"
import { uncompressed } from "./Compressed.js"
import type { Inside } from "./Inside.js"
import type { Inspector } from "./Inspector.js"

/** It is unpacked when all of it is at hand, and slowly. */
const mostBytes = 33_554_432
const pieceBytes = 65_536

/** What is wrong with what was unpacked. */
class Flawed extends Data.Error<{ readonly flaw: string }> {}

/** Reads pieces byte by byte, and notes how far it came. */
const reading = (pieces: ReadonlyArray<Uint8Array>) => {
  let [piece, at] = [0, 0]
  const skipEmpty = () => {
    while (piece < pieces.length && at >= (pieces[piece]?.length ?? 0)) [piece, at] = [piece + 1, 0]
  }
  skipEmpty()
  const readByte = () => {
    const byte = pieces[piece]?.[at]
    if (byte === undefined) throw new Flawed({ flaw: "it is cut short" })
    at += 1
    skipEmpty()
    return byte
  }
  return {
    eof: () => piece >= pieces.length,
    readByte,
    read: (into: Uint8Array, from: number, count: number) => {
      for (let index = from; index < from + count; index++) into[index] = readByte()
      return count
    }
  }
}

/** Gathers bytes to pieces, which it hands on. */
const writing = (content: Inspector) => {
  const output = new Uint8Array(pieceBytes)
  let length = 0
  const flush = () => {
    const flaw = content.push(output.slice(0, length))
    length = 0
    if (flaw !== undefined) throw new Flawed({ flaw })
  }
  return {
    writeByte: (byte: number) => {
      output[length++] = byte
      if (length === pieceBytes) flush()
    },
    flush
  }
}

const flawOf = (error: unknown) => (error instanceof Flawed ? error.flaw : "its compressed data is broken")

const unpack = (pieces: ReadonlyArray<Uint8Array>, content: Inspector) =>
  Either.match(
    Either.try(() => {
      const output = writing(content)
      Bunzip.decode(reading(pieces), output, true)
      output.flush()
    }),
    { onLeft: flawOf, onRight: () => content.end() }
  )

/** A bzip2 file, of one or more streams. */
export const bzip2 = (inside: Inside): Inspector => {
  const content = uncompressed(inside)
  const pieces: Array<Uint8Array> = []
  let size = 0
  return {
    push: (bytes) => {
      size += bytes.length
      pieces.push(bytes.slice())
      return size > mostBytes
        ? `it is larger than ${mostBytes / 1_048_576} MB, which takes too long to look into`
        : undefined
    },
    end: () => unpack(pieces, content)
  }
}
