import type { Duplex } from "node:stream"
import { Data, Effect, Option, Schema } from "effect"
import * as ClientHello from "./ClientHello.js"

/** What a program says first on a connection. */
export type Opening = Data.TaggedEnum<{
  Partial: Record<never, never>
  /** TLS that asks for a server by name, or by none. */
  Tls: { readonly serverName: Option.Option<string> }
  Http: Record<never, never>
  /** Another protocol, or nothing. */
  Other: Record<never, never>
  Malformed: Record<never, never>
}>
export const Opening = Data.taggedEnum<Opening>()

/** Longest first line of text. */
const LONGEST_LINE = 16_384

/** Text may be HTTP, which its first line that is not empty tells. */
const classifyText = (bytes: Buffer, isWhole: boolean): Opening => {
  const [line = "", ...more] = bytes.toString("latin1").replace(/^\s+/, "").split("\n", 2)
  if (more.length === 0 && !isWhole) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what no text has.
    if (/[\x00-\x08\x0e-\x1f]/.test(line)) return Opening.Other()
    return bytes.length > LONGEST_LINE ? Opening.Malformed() : Opening.Partial()
  }
  return /\shttp\/\d/i.test(line) ? Opening.Http() : Opening.Other()
}

/** What these first bytes are; `isWhole` when there will be no more. */
export const classify = (bytes: Buffer, isWhole: boolean): Opening => {
  const [first] = bytes
  if (first === undefined) return isWhole ? Opening.Other() : Opening.Partial()
  if (first !== ClientHello.HANDSHAKE) return classifyText(bytes, isWhole)
  return ClientHello.ClientHello.$match(ClientHello.parse(bytes), {
    Partial: (): Opening => (isWhole ? Opening.Malformed() : Opening.Partial()),
    Whole: ({ serverName }) => Opening.Tls({ serverName }),
    Malformed: () => Opening.Malformed()
  })
}

/** The connection ended while it was read. */
export class ConnectionEnded extends Schema.TaggedError<ConnectionEnded>()("ConnectionEnded", {}) {}

/** What there is to read, or none at the end. */
export const nextBytes = (stream: Duplex): Effect.Effect<Option.Option<Buffer>, ConnectionEnded> =>
  Effect.async((resume) => {
    const settle = (outcome: Effect.Effect<Option.Option<Buffer>, ConnectionEnded>) => {
      for (const event of ["readable", "end", "error", "close"]) stream.off(event, look)
      resume(outcome)
    }
    const look = () => {
      const bytes: Buffer | null = stream.read()
      if (bytes !== null) settle(Effect.succeedSome(bytes))
      else if (stream.readableEnded) settle(Effect.succeedNone)
      else if (stream.destroyed) settle(new ConnectionEnded())
    }
    for (const event of ["readable", "end", "error", "close"]) stream.on(event, look)
    look()
    return Effect.sync(() => {
      for (const event of ["readable", "end", "error", "close"]) stream.off(event, look)
    })
  })

/** How long what was begun may take. */
const patience = "30 seconds"

/** What a program says first. Everything is still to be read after that. */
export const read = (
  client: Duplex
): Effect.Effect<{ readonly opening: Opening; readonly bytes: Buffer }, ConnectionEnded> => {
  const readMore = ({ bytes }: { readonly bytes: Buffer }) =>
    Effect.map(nextBytes(client), (more) => {
      const all = Buffer.concat([bytes, Option.getOrElse(more, () => Buffer.alloc(0))])
      return { opening: classify(all, Option.isNone(more)), bytes: all }
    })
  return Effect.flatMap(readMore({ bytes: Buffer.alloc(0) }), (first) =>
    Effect.iterate(first, { while: ({ opening }) => opening._tag === "Partial", body: readMore }).pipe(
      Effect.timeoutFail({ duration: patience, onTimeout: () => new ConnectionEnded() })
    )
  )
}
