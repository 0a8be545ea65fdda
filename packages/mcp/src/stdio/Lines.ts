import { Effect, Schema, Stream } from "effect"

/** Characters of the longest line that is read; which messages are too large is for who takes them to say. */
export const longest = 64 * 1024 * 1024

/** A line is longer than any message may be. */
export class LineTooLong extends Schema.TaggedError<LineTooLong>()("LineTooLong", {
  most: Schema.Number
}) {
  override get message() {
    return `expected lines of at most ${this.most} characters`
  }
}

/** The lines of a stream that are not empty, none of which is longer than told. */
export const of = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>, most: number) =>
  bytes.pipe(
    Stream.decodeText(),
    Stream.mapAccumEffect("", (begun, text) => {
      const [first = "", ...others] = text.split("\n")
      const lines = [begun + first, ...others]
      const rest = lines.pop() ?? ""
      return rest.length > most || lines.some((line) => line.length > most)
        ? Effect.fail(new LineTooLong({ most }))
        : Effect.succeed([rest, lines] as const)
    }),
    Stream.mapConcat((lines) => lines),
    Stream.filter((line) => line.trim() !== "")
  )
