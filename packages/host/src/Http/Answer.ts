import { Chunk, Effect, Option } from "effect"

/** Some of a body's bytes, and whether they are the last. */
export interface Piece {
  readonly bytes: Uint8Array
  readonly isLast: boolean
}

/** A body in pieces: each run gives the next. A failure cuts the connection, to tell that the body is not whole. */
export type Pieces = Effect.Effect<Piece, unknown>

/** What is sent every `interval` milliseconds beside the pieces: clients take a silent connection for a dead one. */
export interface Keepalive {
  readonly interval: number
  readonly bytes: Uint8Array
}

/** The answer to a request. */
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
} & (
  | { readonly _tag: "Whole"; readonly body: string | Uint8Array }
  | { readonly _tag: "InPieces"; readonly body: Pieces; readonly keepalive: Option.Option<Keepalive> }
)

const nothing = new Uint8Array(0)

/** An answer without a body. */
export const empty = (status: number): Answer => ({ _tag: "Whole", status, headers: {}, body: nothing })

/** An answer with this body. */
export const whole = (status: number, headers: Answer["headers"], body: string | Uint8Array): Answer => ({
  _tag: "Whole",
  status,
  headers: { ...headers, "content-length": Buffer.byteLength(body) },
  body
})

/** An answer with a value as JSON. */
export const json = (status: number, value: unknown, headers: Answer["headers"] = {}): Answer =>
  whole(status, { "content-type": "application/json", ...headers }, JSON.stringify(value))

/** An answer whose body comes in pieces. */
export const inPieces = (
  status: number,
  headers: Answer["headers"],
  body: Pieces,
  keepalive?: Keepalive
): Answer => ({ _tag: "InPieces", status, headers, body, keepalive: Option.fromNullable(keepalive) })

/** The pieces of a stream that has been opened with `Stream.toPull`. */
export const fromPull = <E>(pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>>): Pieces =>
  Effect.matchEffect(pull, {
    onFailure: Option.match({
      onNone: () => Effect.succeed({ bytes: nothing, isLast: true }),
      onSome: (error) => Effect.fail(error)
    }),
    onSuccess: (parts) =>
      Effect.succeed({ bytes: Buffer.concat(Chunk.toReadonlyArray(parts)), isLast: false })
  })
