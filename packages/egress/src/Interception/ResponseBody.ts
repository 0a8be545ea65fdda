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

/** What undoes the encodings that a header names, the last one first. Nothing: one of them is not known here. */
export const decodersFor = (contentEncoding: string | undefined): ReadonlyArray<Transform> | undefined => {
  const names = (contentEncoding ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "identity")
    .reverse()
  const makers = names.flatMap((name) => decoders[name] ?? [])
  return makers.length === names.length && names.length <= mostEncodings
    ? makers.map((make) => make())
    : undefined
}

/** Passes bytes on with what is hidden in them masked. */
export const masked = (forms: SecretForms): Transform => {
  const mask = forms.stream()
  return new Transform({
    transform: (bytes, _, done) => done(null, mask.next(bytes)),
    flush: (done) => done(null, mask.end())
  })
}
