import type { StoredArtifact } from "@bulkhead/artifacts"
import { makeZip, predictLength } from "client-zip"
import { type Chunk, Effect, Fiber, Option, Runtime, Stream } from "effect"

/** A file that goes into a zip. */
export interface Entry {
  /** A relative path of plain names. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** When its execution ended: milliseconds since the epoch. */
  readonly endedAt: number
  readonly content: StoredArtifact["content"]
}

/** What Windows takes in no name, where a colon even leads to another drive or stream. */
const forbidden = /[<>:"|?*]/g
/** Names that are devices there, whatever follows a point, and ends that it takes away. */
const devices = /(?<=^|\/)(?=(?:con|prn|aux|nul|com\d|lpt\d)(?:[./]|$))/gi
const lostEnds = /[. ]+(?=\/|$)/g

const unpackable = (name: string) =>
  name
    .replaceAll(forbidden, "_")
    .replaceAll(devices, "_")
    .replaceAll(lostEnds, (end) => "_".repeat(end.length))

const numbered = (name: string, number: number) =>
  name.replace(/(\.[^./]*)?$/, (extension) => ` (${number})${extension}`)

/** The names of files as every system can unpack them. Those that were different still are. */
export const namesOf = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const taken = new Set(names)
  return names.map((name) => {
    const plain = unpackable(name)
    if (plain === name) return name
    let free = plain
    for (let number = 2; taken.has(free); number++) free = numbered(plain, number)
    taken.add(free)
    return free
  })
}

const named = (entries: ReadonlyArray<Entry>) => {
  const names = namesOf(entries.map(({ name }) => name))
  return entries.map((entry, index) => ({ ...entry, name: names[index] ?? entry.name }))
}

/** Bytes of the zip, in decimal: nothing in it is compressed. */
export const length = (entries: ReadonlyArray<Entry>): string => predictLength(named(entries)).toString()

type Pull<E> = Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>>

const step = <E>(pull: Pull<E>) =>
  pull.pipe(
    Effect.map((chunk): IteratorResult<Uint8Array> => ({ done: false, value: Buffer.concat([...chunk]) })),
    Effect.catchAll(
      Option.match({
        onNone: () => Effect.succeed<IteratorResult<Uint8Array>>({ done: true, value: undefined }),
        onSome: Effect.fail
      })
    )
  )

/**
 * A file as the library reads it. It never says that it stops before the end, so the file is closed with the scope,
 * also in the middle of a read.
 */
const input = Effect.fnUntraced(function* ({ content }: Entry) {
  const run = Runtime.runPromise(yield* Effect.runtime())
  const scope = yield* Effect.scope
  const pull = yield* Stream.toPull(content)
  const next = () => run(Effect.flatMap(Effect.forkIn(step(pull), scope), Fiber.join))
  return { [Symbol.asyncIterator]: () => ({ next }) } satisfies AsyncIterable<Uint8Array>
})

/** The files as one zip, read one after the other as fast as it is taken. */
export const stream = (entries: ReadonlyArray<Entry>): Stream.Stream<Uint8Array, unknown> =>
  Stream.unwrapScoped(
    Effect.map(
      Effect.forEach(named(entries), (entry) =>
        Effect.map(input(entry), (input) => ({
          name: entry.name,
          size: entry.size,
          lastModified: entry.endedAt,
          input
        }))
      ),
      (files) =>
        Stream.fromReadableStream(
          () => makeZip(files),
          (error) => error
        )
    )
  )
