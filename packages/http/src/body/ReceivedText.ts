import { isAscii } from "node:buffer"
import { cut, type ExecutionId, InvalidRequest, RequestTooLarge, type UserId } from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import { Context, Effect } from "effect"
import { type Bounds, JsonScanner } from "./JsonScanner.js"

export interface TextOptions {
  /** What it is called in a refusal. */
  readonly name: string
  /** Most bytes. */
  readonly largest: number
  /** What a JSON value may have; absent, it is plain text. */
  readonly bounds?: Bounds
  /** The JSON value that no bytes at all stand for; absent, they are refused. */
  readonly empty?: unknown
  /** Counts the bytes while they are received. */
  readonly receive: Context.Tag.Service<SandboxService>["receive"]
  /** Who sends it, if that is known. */
  readonly userId?: UserId | undefined
}

/** Each piece costs work of its own, however small; a network brings more than a thousand bytes at once. */
export const mostPieces = (size: number) => 1024 + size / 256

export const tooManyPieces = (executionId: ExecutionId) =>
  new InvalidRequest({
    executionId,
    field: "body",
    message: "body: expected pieces of 256 bytes or more, but it comes in very many smaller ones"
  })

/** Bytes of a value that takes a millisecond and more to parse. */
const large = 256 * 1024

/** Large values are parsed one after the other, so that others get their turns: the process has one event loop. */
class OneAtATime extends Context.Reference<OneAtATime>()("@bulkhead/http/ReceivedText/OneAtATime", {
  defaultValue: () => Effect.unsafeMakeSemaphore(1)
}) {}

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** What the parser says without the piece of the text that it shows, which may be a secret. */
const complaintOf = (error: unknown) =>
  String((error as Error).message)
    .replace(/, (\.\.\.)?".*$/s, "")
    .replace(/^".*" /s, "it ")

/**
 * A text that is received piece by piece, in memory; it is held to its bounds before more of it is kept. Its bytes count
 * until the scope closes.
 */
export const make = (executionId: ExecutionId, options: TextOptions) => {
  const { bounds, empty, largest, name, receive, userId } = options
  const scanner = bounds && new JsonScanner(bounds, name)
  const kept: Array<Uint8Array> = []
  let size = 0

  const invalid = (message: string) =>
    new InvalidRequest({ executionId, field: name, message: `${name}: ${message}` })
  const wanted = bounds === undefined ? "text in UTF-8" : "JSON in UTF-8"
  const broken = (reason: string) => invalid(`expected ${wanted}, but ${reason}`)
  const tooLarge = new RequestTooLarge({
    executionId,
    field: name,
    message: `${name}: expected at most ${largest} bytes`
  })

  const push = (piece: Uint8Array) =>
    Effect.gen(function* () {
      size += piece.length
      if (size > largest) return yield* tooLarge
      if (kept.length > mostPieces(size)) return yield* tooManyPieces(executionId)
      yield* receive({ executionId, userId }, piece.length)
      const flaw = scanner?.push(piece)
      if (flaw !== undefined) return yield* new InvalidRequest({ executionId, ...flaw })
      kept.push(piece)
    })

  const decode = (bytes: Uint8Array) =>
    Effect.catchAll(
      Effect.try(() => utf8.decode(bytes)),
      () => broken("it is not UTF-8")
    )

  const parse = (text: string) =>
    Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: (error) => broken(`the parser says: ${cut(complaintOf(error))}`)
    })

  const textOf = Effect.fnUntraced(function* (bytes: Buffer) {
    // JavaScript may keep two bytes for each.
    if (!isAscii(bytes)) yield* receive({ executionId, userId }, bytes.length)
    return yield* decode(bytes)
  })

  /** All of it, as text. */
  const text = Effect.suspend(() => textOf(Buffer.concat(kept)))

  /** All of it, as the JSON value that it is. */
  const json = Effect.suspend(() => {
    if (size === 0) return empty === undefined ? broken("it is empty") : Effect.succeed(empty)
    const flaw = scanner?.end()
    if (flaw !== undefined) return new InvalidRequest({ executionId, ...flaw })
    const parsed = Effect.flatMap(text, parse)
    if (size < large) return parsed
    // The event loop turns between two of them.
    return Effect.flatMap(OneAtATime, ({ withPermits }) => withPermits(1)(Effect.delay(parsed, 0)))
  })

  return { push, text, json, broken, tooLarge }
}
