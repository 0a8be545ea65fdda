import { wholeEnd, wholeStart } from "./Characters.js"

// What looks like a byte order mark is output like any other.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

const empty = new Uint8Array(0)

/** Keeps the first and the last `half` bytes of a stream of any length, in at most `2 * half` bytes of memory. */
export class HeadTail {
  /** Bytes appended so far, kept or not. */
  total = 0
  private head = empty
  private headSize = 0
  private ring: Uint8Array | undefined
  private readonly half: number

  constructor(half: number) {
    this.half = half
  }

  append(bytes: Uint8Array): void {
    this.total += bytes.length
    const first = bytes.subarray(0, this.half - this.headSize)
    if (first.length > 0) this.appendHead(first)
    if (bytes.length > first.length) this.appendTail(bytes.subarray(first.length))
  }

  /** Bytes that are left out between head and tail. */
  get dropped(): number {
    return Math.max(0, this.total - 2 * this.half)
  }

  /** What was kept, as text, with a line in the middle that says how much is left out. */
  get text(): string {
    if (this.total === 0) return ""
    const head = this.head.subarray(0, this.headSize)
    const tail = this.tail()
    if (this.dropped === 0) return decoder.decode(concat(head, tail))
    return `${decoder.decode(wholeEnd(head))}\n[${this.dropped} bytes left out]\n${decoder.decode(wholeStart(tail))}`
  }

  private appendHead(bytes: Uint8Array): void {
    const needed = this.headSize + bytes.length
    if (needed > this.head.length) {
      const grown = new Uint8Array(Math.min(this.half, Math.max(needed, this.head.length * 2)))
      grown.set(this.head.subarray(0, this.headSize))
      this.head = grown
    }
    this.head.set(bytes, this.headSize)
    this.headSize = needed
  }

  private appendTail(bytes: Uint8Array): void {
    this.ring ??= new Uint8Array(this.half)
    const last = bytes.subarray(Math.max(0, bytes.length - this.half))
    const at = (this.total - last.length - this.half) % this.half
    const untilEnd = last.subarray(0, this.half - at)
    this.ring.set(untilEnd, at)
    this.ring.set(last.subarray(untilEnd.length), 0)
  }

  private tail(): Uint8Array {
    if (this.ring === undefined) return empty
    const written = this.total - this.half
    if (written <= this.half) return this.ring.subarray(0, written)
    const oldest = written % this.half
    return concat(this.ring.subarray(oldest), this.ring.subarray(0, oldest))
  }
}

const concat = (a: Uint8Array, b: Uint8Array) => {
  if (b.length === 0) return a
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
