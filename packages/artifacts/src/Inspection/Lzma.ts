// LZMA as xz has it (LZMA2): chunks that say how long they are, packed and unpacked. Node has no decoder, and those that
// can be had unpack a file as a whole, or wait for promises.

/** Probabilities that a bit is 0, of 2048, and where in them those of each use begin. */
const uses = {
  isMatch: 0,
  isRep: 192,
  isRep0: 204,
  isRep1: 216,
  isRep2: 228,
  isRep0Long: 240,
  slots: 432,
  distances: 688,
  align: 804,
  lengths: 820,
  repLengths: 1334,
  literals: 1848
}
const half = 1024
/** Of the range decoder. */
const [RANGE, CODE] = [0, 1]
const literalSize = 0x300
/** Literal context and position bits together, in LZMA2. */
const mostLiteralBits = 4
/** Of one chunk. */
export const mostChunkBytes = 2_097_152

/** Where in the probabilities of lengths what begins. */
const lengthUses = { choice: 0, choice2: 1, low: 2, mid: 130, high: 258 }

export interface Lzma {
  /** Reads the properties; false: there are none such. */
  readonly setProperties: (value: number) => boolean
  readonly resetState: () => void
  /** What came before is not referred to any more. */
  readonly resetDictionary: () => void
  /** Takes bytes as they are. */
  readonly store: (bytes: Uint8Array) => void
  /** Unpacks a chunk into so many bytes, which are the caller's; nothing: it is broken. */
  readonly unpack: (chunk: Uint8Array, count: number) => Uint8Array | undefined
}

export const makeLzma = (dictionaryBytes: number): Lzma => {
  const probabilities = new Uint16Array(uses.literals + (literalSize << mostLiteralBits)).fill(half)
  let [literalContext, literalPosition, positionMask] = [0, 0, 0]
  let [state, rep0, rep1, rep2, rep3] = [0, 0, 0, 0, 0]
  let window = new Uint8Array(65_536)
  /** The end of what has been unpacked in the window, and the beginning of what may be referred to. */
  let [end, begin] = [0, 0]
  /** How much has been unpacked since the dictionary was reset. */
  let total = 0
  let input: Uint8Array = new Uint8Array(0)
  let at = 0
  // A variable for a number this large would be allocated anew with each bit.
  const registers = new Uint32Array(2)

  const makeRoom = (count: number) => {
    const kept = Math.min(end - begin, dictionaryBytes)
    if (end + count <= window.length) return
    const needed = kept + count
    const size = Math.min(Math.max(2 * needed, window.length), dictionaryBytes + 2 * mostChunkBytes)
    const next = size > window.length ? new Uint8Array(size) : window
    next.set(window.subarray(end - kept, end))
    window = next
    begin = 0
    end = kept
  }

  const normalize = () => {
    const range = registers[RANGE] ?? 0
    if (range >= 0x1000000) return range
    registers[CODE] = ((registers[CODE] ?? 0) << 8) | (input[at++] ?? 0)
    registers[RANGE] = range << 8
    return (range << 8) >>> 0
  }
  const bit = (index: number) => {
    const range = normalize()
    const code = registers[CODE] ?? 0
    const probability = probabilities[index] ?? 0
    const bound = (range >>> 11) * probability
    if (code < bound) {
      registers[RANGE] = bound
      probabilities[index] = probability + ((2048 - probability) >> 5)
      return 0
    }
    registers[RANGE] = range - bound
    registers[CODE] = code - bound
    probabilities[index] = probability - (probability >> 5)
    return 1
  }
  const tree = (base: number, bits: number) => {
    let symbol = 1
    for (let left = bits; left > 0; left--) symbol = (symbol << 1) | bit(base + symbol)
    return symbol - (1 << bits)
  }
  const reverseTree = (base: number, bits: number) => {
    let [symbol, value] = [1, 0]
    for (let index = 0; index < bits; index++) {
      const next = bit(base + symbol)
      symbol = (symbol << 1) | next
      value |= next << index
    }
    return value
  }
  const direct = (bits: number) => {
    let value = 0
    for (let left = bits; left > 0; left--) {
      const range = normalize() >>> 1
      const code = registers[CODE] ?? 0
      const next = code >= range ? 1 : 0
      registers[RANGE] = range
      if (next === 1) registers[CODE] = code - range
      value = value * 2 + next
    }
    return value
  }

  const literal = () => {
    const before = end > begin ? (window[end - 1] ?? 0) : 0
    const context =
      ((total & ((1 << literalPosition) - 1)) << literalContext) + (before >> (8 - literalContext))
    const base = uses.literals + literalSize * context
    let symbol = 1
    if (state >= 7) {
      let match = window[end - rep0 - 1] ?? 0
      let offset = 0x100
      while (symbol < 0x100) {
        match <<= 1
        const matchBit = match & offset
        const next = bit(base + offset + matchBit + symbol)
        symbol = (symbol << 1) | next
        offset &= next === 1 ? matchBit : ~matchBit
      }
    } else while (symbol < 0x100) symbol = (symbol << 1) | bit(base + symbol)
    window[end++] = symbol
    total += 1
    state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
  }
  const length = (base: number, position: number) => {
    if (bit(base + lengthUses.choice) === 0) return tree(base + lengthUses.low + position * 8, 3)
    if (bit(base + lengthUses.choice2) === 0) return 8 + tree(base + lengthUses.mid + position * 8, 3)
    return 16 + tree(base + lengthUses.high, 8)
  }
  const distance = (ofLength: number) => {
    const slot = tree(uses.slots + Math.min(ofLength, 3) * 64, 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const start = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return start + reverseTree(uses.distances + start - slot, bits)
    return start + direct(bits - 4) * 16 + reverseTree(uses.align, 4)
  }

  /** How much is copied, from `rep0`. */
  const match = (position: number) => {
    if (bit(uses.isRep + state) === 0) {
      const ofLength = length(uses.lengths, position)
      ;[rep3, rep2, rep1, rep0] = [rep2, rep1, rep0, distance(ofLength)]
      state = state < 7 ? 7 : 10
      return ofLength + 2
    }
    if (bit(uses.isRep0 + state) === 0) {
      if (bit(uses.isRep0Long + state * 16 + position) === 0) {
        state = state < 7 ? 9 : 11
        return 1
      }
    } else if (bit(uses.isRep1 + state) === 0) [rep1, rep0] = [rep0, rep1]
    else if (bit(uses.isRep2 + state) === 0) [rep2, rep1, rep0] = [rep1, rep0, rep2]
    else [rep3, rep2, rep1, rep0] = [rep2, rep1, rep0, rep3]
    const ofLength = length(uses.repLengths, position)
    state = state < 7 ? 8 : 11
    return ofLength + 2
  }

  return {
    setProperties: (value) => {
      literalContext = value % 9
      literalPosition = Math.floor(value / 9) % 5
      positionMask = (1 << Math.floor(value / 45)) - 1
      return value < 225 && literalContext + literalPosition <= mostLiteralBits
    },
    resetState: () => {
      probabilities.fill(half)
      ;[state, rep0, rep1, rep2, rep3] = [0, 0, 0, 0, 0]
    },
    resetDictionary: () => {
      begin = end
      total = 0
    },
    store: (bytes) => {
      makeRoom(bytes.length)
      window.set(bytes, end)
      end += bytes.length
      total += bytes.length
    },
    unpack: (chunk, count) => {
      makeRoom(count)
      ;[input, at] = [chunk, 5]
      registers[RANGE] = 0xffffffff
      registers[CODE] = new DataView(chunk.buffer, chunk.byteOffset).getUint32(1)
      const start = end
      const limit = end + count
      while (end < limit && at <= chunk.length) {
        const position = total & positionMask
        if (bit(uses.isMatch + state * 16 + position) === 0) {
          literal()
          continue
        }
        const copied = match(position)
        if (rep0 >= Math.min(end - begin, dictionaryBytes) || end + copied > limit) return undefined
        total += copied
        for (let left = copied; left > 0; left--, end++) window[end] = window[end - rep0 - 1] ?? 0
      }
      normalize()
      return end === limit && at === chunk.length && registers[CODE] === 0
        ? window.slice(start, end)
        : undefined
    }
  }
}
