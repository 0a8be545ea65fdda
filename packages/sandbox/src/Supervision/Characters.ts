const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80

/** UTF-8 without the beginning of a character that was cut off at its end. */
export const wholeEnd = (bytes: Uint8Array) => {
  let end = bytes.length
  while (end > 0 && bytes.length - end < 3 && isContinuation(bytes[end - 1])) end--
  const lead = bytes[end - 1] ?? 0
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1
  return bytes.length - (end - 1) >= length ? bytes : bytes.subarray(0, end - 1)
}

/** UTF-8 without the end of a character that was cut off at its beginning. */
export const wholeStart = (bytes: Uint8Array) => {
  let start = 0
  while (start < 3 && isContinuation(bytes[start])) start++
  return bytes.subarray(start)
}

/** Pieces of at most so many bytes, of which none ends within a character. */
export const pieces = (bytes: Uint8Array, most: number): ReadonlyArray<Uint8Array> => {
  const cut: Array<Uint8Array> = []
  for (let rest = bytes; rest.length > 0; ) {
    const piece = rest.length <= most ? rest : wholeEnd(rest.subarray(0, most))
    cut.push(piece)
    rest = rest.subarray(piece.length)
  }
  return cut
}
