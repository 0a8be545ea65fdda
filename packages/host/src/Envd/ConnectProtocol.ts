import { Effect, Either, type Schema } from "effect"
import { type RpcCode, RpcRefused } from "../HostErrors.js"
import * as Answer from "../Http/Answer.js"
import type { HttpRequest } from "../Http/HttpRequest.js"
import * as JsonText from "../Http/JsonText.js"

// The Connect protocol with JSON messages. A stream is envelopes: one byte of flags, four of length, the message.
const HEADER = 5
const COMPRESSED = 1
const END = 2

const envelope = (flags: number, json: string): Buffer => {
  const length = Buffer.byteLength(json)
  const bytes = Buffer.allocUnsafe(HEADER + length)
  bytes.writeUInt8(flags, 0)
  bytes.writeUInt32BE(length, 1)
  bytes.write(json, HEADER)
  return bytes
}

/** A message of a stream; `json` is its JSON text. */
export const message = (json: string): Buffer => envelope(0, json)

/** The last envelope of a stream that went well. */
export const end: Buffer = envelope(END, "{}")

/** The last envelope of a stream that is refused, or given up. */
export const endWith = ({ code, message }: RpcRefused): Buffer =>
  envelope(END, JSON.stringify({ error: { code, message } }))

const httpStatus: Record<RpcCode, number> = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  unauthenticated: 401
}

const invalid = (text: string) => new RpcRefused({ code: "invalid_argument", message: text })

/** Reads the message of a request. */
export type Reader<A> = (request: HttpRequest) => Effect.Effect<A, RpcRefused>

const body = (request: HttpRequest) => Effect.mapError(request.body, ({ message }) => invalid(message))

const messageDecoder = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = JsonText.decoder(schema)
  return (json: string) => Either.mapLeft(decode(json), (reason) => invalid(`invalid message: ${reason}`))
}

/** Reads the message of a unary call. */
export const unaryReader = <A, I>(schema: Schema.Schema<A, I>): Reader<A> => {
  const decode = messageDecoder(schema)
  return (request) =>
    Effect.flatMap(body(request), (bytes) => decode(bytes.length === 0 ? "{}" : bytes.toString()))
}

const open = (bytes: Buffer): Either.Either<string, RpcRefused> => {
  if (bytes.length < HEADER || bytes.length !== HEADER + bytes.readUInt32BE(1))
    return Either.left(invalid("the request is not one whole envelope"))
  if ((bytes.readUInt8(0) & COMPRESSED) !== 0)
    return Either.left(invalid("compressed envelopes are not supported"))
  return Either.right(bytes.subarray(HEADER).toString())
}

/** Reads the one message that opens a server stream. */
export const streamReader = <A, I>(schema: Schema.Schema<A, I>): Reader<A> => {
  const decode = messageDecoder(schema)
  return (request) => Effect.flatMap(body(request), (bytes) => Either.flatMap(open(bytes), decode))
}

/** The answer to a unary call. */
export const unaryAnswer = (value: unknown): Answer.Answer => Answer.json(200, value)

/** The answer to a unary call that is refused. */
export const refusal = ({ code, message }: RpcRefused): Answer.Answer =>
  Answer.json(httpStatus[code], { code, message })

const STREAM = "application/connect+json"
const streamHeaders = { "content-type": STREAM }

/** The refusal of a call of either kind, as its content type tells. */
export const refusalOf = (request: HttpRequest, error: RpcRefused): Answer.Answer =>
  request.header("content-type").startsWith(STREAM) ? streamRefusal(error) : refusal(error)

/** The answer of a server stream, as envelopes. Its HTTP status is always 200. */
export const streamAnswer = (pieces: Answer.Pieces, keepalive: Answer.Keepalive): Answer.Answer =>
  Answer.inPieces(200, streamHeaders, pieces, keepalive)

/** The answer of a server stream that is refused. */
export const streamRefusal = (error: RpcRefused): Answer.Answer =>
  Answer.whole(200, streamHeaders, endWith(error))
