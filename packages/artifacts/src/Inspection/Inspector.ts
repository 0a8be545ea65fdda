/** Looks at a file's bytes as they go by. Either method gives what is wrong with the file, if anything is. */
export interface Inspector {
  readonly push: (bytes: Uint8Array) => string | undefined
  /** The file has ended. */
  readonly end: () => string | undefined
}

/** What a parser wants next: some bytes, some bytes passed over, or all bytes up to and with a value passed over. */
export type Want =
  | { readonly take: number; readonly orEnd?: boolean }
  | { readonly skip: number; readonly orEnd?: boolean }
  | { readonly past: number }

/** Walks a format's structure. What it returns is wrong with the file; nothing: the file must end here. */
export type Parser = Generator<Want, string | undefined, Uint8Array>

const nothing = new Uint8Array(0)

export const joined = (first: Uint8Array, second: Uint8Array) => {
  if (first.length === 0) return second
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

/** How many bytes it takes to satisfy a wish that keeps nothing; -1: more than there are. */
const passedOver = (want: Exclude<Want, { readonly take: number }>, bytes: Uint8Array) => {
  if ("past" in want) return bytes.indexOf(want.past) + 1 || -1
  return want.skip <= bytes.length ? want.skip : -1
}

/** Runs a parser over a file in pieces. A file that ends early, or goes on after its end, is refused. */
export const structured = (make: () => Parser): Inspector => {
  const parser = make()
  let held: Uint8Array = nothing
  let next = parser.next(nothing)

  /** Whether there is more to do with what is at hand. */
  const step = (): boolean => {
    if (next.done) return false
    const want = next.value
    if ("take" in want) {
      if (held.length < want.take) return false
      const taken = held.subarray(0, want.take)
      held = held.subarray(want.take)
      next = parser.next(taken)
      return true
    }
    const passed = passedOver(want, held)
    if (passed >= 0) {
      held = held.subarray(passed)
      next = parser.next(nothing)
      return true
    }
    if ("skip" in want) next = { done: false, value: { ...want, skip: want.skip - held.length } }
    held = nothing
    return false
  }

  const flaw = () =>
    next.done ? (next.value ?? (held.length > 0 ? "data after its end" : undefined)) : undefined
  return {
    push: (bytes) => {
      held = joined(held, bytes)
      while (step()) {}
      return flaw()
    },
    end: () => {
      if (next.done) return flaw()
      const mayEnd = "orEnd" in next.value && next.value.orEnd === true && held.length === 0
      return mayEnd ? undefined : "it is cut short"
    }
  }
}

/** How much of what has gone by is looked at again with what follows. */
const overlap = 4096

const latin1 = new TextDecoder("latin1")

/** Looks for what must not be in a file, wherever its pieces are cut. */
export const search = (flawOf: (text: string) => string | undefined): Inspector => {
  let before = ""
  return {
    push: (bytes) => {
      const text = before + latin1.decode(bytes)
      before = text.slice(-overlap)
      return flawOf(text)
    },
    end: () => undefined
  }
}

/** Looks at the last bytes of a file, and is told how many there were in all. */
export const atEnd = (
  most: number,
  flawOf: (tail: Uint8Array, size: number) => string | undefined
): Inspector => {
  let kept: Array<Uint8Array> = []
  let length = 0
  let size = 0
  return {
    push: (bytes) => {
      const piece = bytes.length > most ? bytes.slice(-most) : bytes
      kept.push(piece)
      length += piece.length
      size += bytes.length
      while (kept[0] !== undefined && length - kept[0].length >= most) {
        length -= kept[0].length
        kept = kept.slice(1)
      }
      return undefined
    },
    end: () => flawOf(Uint8Array.from(Buffer.concat(kept)).subarray(-most), size)
  }
}

/** All of them at once; the first flaw counts. */
export const all = (inspectors: ReadonlyArray<Inspector>): Inspector => {
  const first = (look: (inspector: Inspector) => string | undefined) => {
    for (const inspector of inspectors) {
      const flaw = look(inspector)
      if (flaw !== undefined) return flaw
    }
    return undefined
  }
  return {
    push: (bytes) => first((inspector) => inspector.push(bytes)),
    end: () => first((inspector) => inspector.end())
  }
}
