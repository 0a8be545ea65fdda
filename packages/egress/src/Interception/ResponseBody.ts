import type { IncomingHttpHeaders } from "node:http"
import { Transform } from "node:stream"
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib"
import type { SecretForms } from "@bulkhead/masking"

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip(),
  "x-gzip": () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress()
}

/** More than one encoding is hardly ever meant. */
const mostEncodings = 2

/** As much may come of any answer, and beyond that so many times what was received: bytes are counted before this. */
const freeBytes = 1024 * 1024
const mostTimes = 200

const counted = (count: (bytes: number) => Error | null) =>
  new Transform({
    transform: (bytes: Buffer, _, done) => {
      const excess = count(bytes.length)
      if (excess === null) done(null, bytes)
      else done(excess)
    }
  })

/** The same decoders, between what counts. */
const bounded = (decoders: ReadonlyArray<Transform>): ReadonlyArray<Transform> => {
  let received = 0
  let decoded = 0
  const before = counted((bytes) => {
    received += bytes
    return null
  })
  const after = counted((bytes) => {
    decoded += bytes
    return decoded > freeBytes + mostTimes * received ? new Error("the answer grows too much") : null
  })
  return [before, ...decoders, after]
}

const namesIn = (header = "") =>
  header
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "identity")

/**
 * What undoes the encodings that an answer's headers name, the last one first. Nothing: one of them is not known here,
 * as none is but chunks among those of the transfer, which nobody asked for.
 */
export const decodersOf = (headers: IncomingHttpHeaders): ReadonlyArray<Transform> | undefined => {
  if (namesIn(headers["transfer-encoding"]).some((name) => name !== "chunked")) return undefined
  const names = namesIn(headers["content-encoding"]).reverse()
  const makers = names.flatMap((name) => decoders[name] ?? [])
  if (makers.length !== names.length || names.length > mostEncodings) return undefined
  return names.length === 0 ? [] : bounded(makers.map((make) => make()))
}

/** Passes bytes on with what is hidden in them masked. */
export const masked = (forms: SecretForms): Transform => {
  const mask = forms.stream()
  return new Transform({
    transform: (bytes, _, done) => done(null, mask.next(bytes)),
    flush: (done) => done(null, mask.end())
  })
}
