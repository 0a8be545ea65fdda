import { Option, Stream } from "effect"

interface Held {
  readonly parts: ReadonlyArray<Uint8Array>
  readonly length: number
}

const nothing: Held = { parts: [], length: 0 }

const joined = ({ parts }: Held): Uint8Array =>
  parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)

/** What is held after some more bytes, and the pieces that are full by then. */
const filled =
  (size: number) =>
  (held: Held, bytes: Uint8Array): readonly [Held, ReadonlyArray<Uint8Array>] => {
    const all = { parts: [...held.parts, bytes], length: held.length + bytes.length }
    if (all.length < size) return [all, []]
    const whole = joined(all)
    const full = Array.from({ length: Math.floor(whole.length / size) }, (_, index) =>
      whole.subarray(index * size, (index + 1) * size)
    )
    const rest = whole.subarray(full.length * size)
    return [rest.length === 0 ? nothing : { parts: [rest], length: rest.length }, full]
  }

/** The same bytes in pieces of one size, but for the last, which may have fewer. No bytes: no piece. */
export const of =
  (size: number) =>
  <E, R>(content: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> => {
    const fill = filled(size)
    return Stream.map(content, Option.some).pipe(
      Stream.concat(Stream.make(Option.none<Uint8Array>())),
      Stream.mapAccum(nothing, (held, bytes) =>
        Option.match(bytes, {
          onNone: () => [nothing, held.length === 0 ? [] : [joined(held)]] as const,
          onSome: (bytes) => fill(held, bytes)
        })
      ),
      Stream.mapConcat((pieces) => pieces)
    )
  }
