/** What a `Range` header asks for: all of the bytes, a part of them (`last` is in it), or none that are there. */
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

/** Reads one range of bytes. Several ranges, and what is none, ask for the whole, as RFC 9110 allows. */
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
