import { Harmless } from "@bulkhead/domain"
import { FileSystem } from "@effect/platform"
import { NodeStream } from "@effect/platform-node"
import { Chunk, Effect, Stream } from "effect"
import { Failure } from "../Failure.js"

/** Bytes that a request takes along, all together; the server's own limits are below it unless they were raised. */
export const mostBytes = 64 * 1_048_576

const tooMuch = (source: string) =>
  new Failure({ message: `${source}: expected at most ${mostBytes} bytes, all that is sent together` })

/** What a file holds. Its size is looked at first. */
export const file = Effect.fn("Input.file")(function* (option: string, path: string) {
  const files = yield* FileSystem.FileSystem
  const source = `${option}: ${Harmless.line(path)}`
  const unreadable = () => new Failure({ message: `${source} cannot be read; name a file that you may read` })
  const { size, type } = yield* Effect.mapError(files.stat(path), unreadable)
  if (type === "Directory") return yield* new Failure({ message: `${source} is a directory; name a file` })
  if (size > mostBytes) return yield* tooMuch(source)
  return yield* Effect.mapError(files.readFile(path), unreadable)
})

const plus = (source: string) => (parts: Chunk.Chunk<Uint8Array>, part: Uint8Array) => {
  const more = Chunk.append(parts, part)
  const bytes = Chunk.reduce(more, 0, (sum, { length }) => sum + length)
  return bytes > mostBytes ? tooMuch(source) : Effect.succeed(more)
}

/** All that comes on this process's stdin. */
export const stdin = (option: string) =>
  NodeStream.stdin.pipe(
    Stream.runFoldEffect(Chunk.empty<Uint8Array>(), plus(option)),
    Effect.map((parts) => Buffer.concat(Chunk.toReadonlyArray(parts))),
    Effect.mapError((error) =>
      error instanceof Failure ? error : new Failure({ message: `${option}: stdin cannot be read` })
    )
  )

/** Bytes as text. */
export const text = (source: string, bytes: Uint8Array) =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => new Failure({ message: `${Harmless.line(source)}: expected text in UTF-8` })
  })
