/** What a `Range` header asks for: the whole file, a part (`last` included), or bytes that the file does not have. */
export type ByteRange =
  | { readonly _tag: "Whole" }
  | { readonly _tag: "Part"; readonly first: number; readonly last: number }
  | { readonly _tag: "Unsatisfiable" }

const whole: ByteRange = { _tag: "Whole" }
const unsatisfiable: ByteRange = { _tag: "Unsatisfiable" }

const suffix = (length: number, size: number): ByteRange => {
  if (length === 0) return unsatisfiable
  return size === 0 ? whole : { _tag: "Part", first: Math.max(0, size - length), last: size - 1 }
}

/** Parses one range of bytes. Several ranges, or a malformed one, ask for the whole file, as RFC 9110 allows. */
export const parse = (header: string | undefined, size: number): ByteRange => {
  const [, first = "", last = ""] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? "") ?? []
  if (first === "") return last === "" ? whole : suffix(Number(last), size)
  if (last !== "" && Number(last) < Number(first)) return whole
  if (Number(first) >= size) return unsatisfiable
  return {
    _tag: "Part",
    first: Number(first),
    last: last === "" ? size - 1 : Math.min(Number(last), size - 1)
  }
}
