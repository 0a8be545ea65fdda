import { Chunk, Effect, Option, Ref, type Scope, Stream } from "effect"
import { GuestFileError } from "../HostErrors.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import type { Metadata } from "./FileMetadata.js"
import * as FileOperation from "./FileOperation.js"
import type { GuestEntry } from "./GuestEntry.js"
import * as GuestFiles from "./GuestFiles.js"
import type { GuestSandbox } from "./GuestSandbox.js"

/** A file that is being written. */
export interface FileWriter {
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, GuestFileError>
  /** Done when all is written. */
  readonly close: Effect.Effect<GuestEntry, GuestFileError>
}

/** A file that is being read; `size` is what it had when it was opened, 0 for files of /proc too. */
export interface FileReader {
  readonly size: number
  readonly content: Stream.Stream<Uint8Array, GuestFileError>
}

const internal = (message: string) => new GuestFileError({ kind: "internal", message })

/** Opens a file for its user, with the directories it lies in; what was there before is replaced, metadata too. */
export const write = Effect.fn("FileContent.write")(function* (
  sandbox: GuestSandbox,
  user: GuestUser,
  path: string,
  metadata: Metadata
) {
  const started = yield* FileOperation.start(sandbox, user, ["write", path], true)
  // An operation that takes no more input has ended early, and says why.
  const endedEarly = Effect.zipRight(FileOperation.collect(started), internal("the file was not written"))
  return {
    write: (bytes) => Effect.catchAll(started.process.sendInput(bytes), () => endedEarly),
    close: Effect.gen(function* () {
      yield* started.process.closeInput
      const said = yield* FileOperation.collect(started)
      const { path: absolute } = yield* GuestFiles.entryIn(sandbox, said)
      yield* sandbox.fileMetadata.set(absolute, metadata)
      return yield* GuestFiles.entryIn(sandbox, said)
    })
  } satisfies FileWriter
})

/** Fails when fewer bytes come than the file had when it was opened. */
const checkSize = (content: Stream.Stream<Uint8Array, GuestFileError>, size: number) =>
  Stream.unwrap(
    Effect.map(Ref.make(0), (received) => {
      const check = Effect.filterOrFail(
        Ref.get(received),
        (bytes) => bytes >= size,
        () => internal("the file became shorter while it was read")
      )
      return content.pipe(
        Stream.tap((bytes) => Ref.update(received, (sum) => sum + bytes.length)),
        Stream.concat(Stream.drain(Stream.fromEffect(check)))
      )
    })
  )

/** Opens a regular file, to be read until the scope closes. */
export const read = Effect.fn("FileContent.read")(function* (
  sandbox: GuestSandbox,
  user: GuestUser,
  path: string
): Effect.fn.Return<FileReader, GuestFileError, Scope.Scope> {
  const started = yield* FileOperation.start(sandbox, user, ["read", path], false)
  const pull = yield* Stream.toPull(FileOperation.output(started))
  const head = yield* Effect.mapError(
    Effect.repeat(pull, { until: Chunk.isNonEmpty }),
    Option.getOrElse(() => internal("the operation gave no answer"))
  )
  // The agent writes the size and a NUL in one piece, before the content.
  const bytes = Buffer.concat(Chunk.toReadonlyArray(head))
  const end = bytes.indexOf(0)
  const size = Number(bytes.subarray(0, end).toString())
  const content = Stream.concat(
    Stream.make(bytes.subarray(end + 1)),
    Stream.fromPull(Effect.succeed(pull))
  ).pipe(Stream.filter((part) => part.length > 0))
  return { size, content: checkSize(content, size) }
})

/** The bytes of a content from `first` to `last`, both included; those before them are read, and passed over. */
export const part = <E>(
  content: Stream.Stream<Uint8Array, E>,
  first: number,
  last: number
): Stream.Stream<Uint8Array, E> =>
  content.pipe(
    Stream.mapAccum(0, (at, bytes) => [at + bytes.length, { at, bytes }] as const),
    Stream.takeUntil(({ at, bytes }) => at + bytes.length > last),
    Stream.map(({ at, bytes }) => bytes.subarray(Math.max(0, first - at), last + 1 - at)),
    Stream.filter((bytes) => bytes.length > 0)
  )
