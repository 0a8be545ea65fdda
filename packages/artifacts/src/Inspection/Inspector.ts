/** Looks at a file's bytes as they go by. Either method gives what is wrong with the file, if anything is. */
export interface Inspector {
  readonly push: (bytes: Uint8Array) => string | undefined
  /** The file has ended. */
  readonly end: () => string | undefined
  /** The encoding that its text is sure to be in. Call it after the end. */
  readonly charset?: () => "utf-8" | undefined
}

/** Where a parser stands in the bytes at hand. It reads them itself, and moves on by adding to `at`. */
export interface Cursor {
  bytes: Uint8Array
  /** Where in the file the bytes at hand begin. */
  start: number
  /** Beyond the last byte at hand: so many of those to come are passed over. */
  at: number
}

/**
 * How many bytes a parser must see at the cursor to go on, and whether the file may end here instead: the parser then
 * goes on once more, with fewer bytes at hand.
 */
export interface Want {
  readonly bytes: number
  readonly orEnd?: boolean
}

/**
 * Walks a format's structure. It goes on within the bytes at hand by itself, and waits for more only where it must:
 * what a program made of a million little parts costs a loop, not a million waits. What it returns is wrong with the
 * file; nothing: the file must end at the cursor.
 */
export type Parser = Generator<Want, string | undefined, void>

const nothing = new Uint8Array(0)

export const joined = (first: Uint8Array, second: Uint8Array) => {
  if (first.length === 0) return second
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

/** Runs a parser over a file in pieces. A file that ends early, or goes on after its end, is refused. */
export const structured = (make: (cursor: Cursor) => Parser): Inspector => {
  const cursor: Cursor = { bytes: nothing, start: 0, at: 0 }
  const parser = make(cursor)
  let next: IteratorResult<Want, string | undefined> = parser.next()

  const left = () => cursor.bytes.length - cursor.at
  const flaw = () => (next.done ? (next.value ?? (left() > 0 ? "data after its end" : undefined)) : undefined)
  const add = (bytes: Uint8Array) => {
    const at = Math.min(cursor.at, cursor.bytes.length)
    const passedOver = cursor.at - at
    cursor.start += at
    cursor.bytes = joined(cursor.bytes.subarray(at), bytes)
    cursor.at = passedOver
  }
  return {
    push: (bytes) => {
      add(bytes)
      while (!next.done && left() >= next.value.bytes) next = parser.next()
      return flaw()
    },
    end: () => {
      const isAtEnd = left() === 0 || cursor.at === Number.POSITIVE_INFINITY
      const mayEnd = !next.done && next.value.orEnd === true
      if (mayEnd && left() > 0) return "data after its end"
      if (mayEnd && isAtEnd) next = parser.next()
      return next.done && isAtEnd ? flaw() : (flaw() ?? "it is cut short")
    }
  }
}

/** How much of what has gone by is looked at again with what follows. */
const overlap = 4096

/** A character for each byte. */
export const latin1 = ({ buffer, byteLength, byteOffset }: Uint8Array) =>
  Buffer.from(buffer, byteOffset, byteLength).toString("latin1")

/** Looks for what must not be in a file, wherever its pieces are cut. */
export const search = (flawOf: (text: string) => string | undefined): Inspector => {
  let before = ""
  return {
    push: (bytes) => {
      const text = before + latin1(bytes)
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
  // A ring: the byte that comes next goes to `size % most`.
  const ring = new Uint8Array(most)
  let size = 0
  const keep = (bytes: Uint8Array) => {
    const at = size % most
    const first = bytes.subarray(0, most - at)
    ring.set(first, at)
    ring.set(bytes.subarray(first.length), 0)
    size += bytes.length
  }
  const tail = () =>
    size <= most ? ring.subarray(0, size) : joined(ring.subarray(size % most), ring.subarray(0, size % most))
  return {
    push: (bytes) => {
      const passedOver = Math.max(bytes.length - most, 0)
      size += passedOver
      keep(bytes.subarray(passedOver))
      return undefined
    },
    end: () => flawOf(tail(), size)
  }
}

/** Characters that a parser is given at once, so that it stops soon after what is wrong. */
const slice = 4096

/** Gives a parser a text, until something is wrong. */
export const parse = (text: string, flaw: () => string | undefined, write: (text: string) => void) => {
  for (let at = 0; at < text.length && flaw() === undefined; at += slice) write(text.slice(at, at + slice))
  return flaw()
}

/** Looks with what is made for the first bytes of a file, when there are so many of them. */
export const byHead = (most: number, make: (head: Uint8Array) => Inspector): Inspector => {
  let head: Uint8Array = nothing
  let inspector: Inspector | undefined
  const begin = () => {
    inspector = make(head)
    return inspector.push(head)
  }
  return {
    push: (bytes) => {
      if (inspector !== undefined) return inspector.push(bytes)
      head = joined(head, bytes)
      return head.length < most ? undefined : begin()
    },
    end: () => (inspector === undefined ? begin() : undefined) ?? inspector?.end(),
    charset: () => inspector?.charset?.()
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
    end: () => first((inspector) => inspector.end()),
    charset: () => inspectors.find(({ charset }) => charset !== undefined)?.charset?.()
  }
}
