import type * as Http from "node:http"
import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Either, Option, Schema } from "effect"
import { type RpcCode, RpcRefused } from "../HostErrors.js"
import * as DirectRoutes from "../Http/DirectRoutes.js"

// The Connect protocol with JSON messages. A stream is a row of envelopes: one byte of flags, the length in four, the message.
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

const endOfStream = envelope(END, "{}")
const endWith = (error: RpcRefused) =>
  envelope(END, JSON.stringify({ error: { code: error.code, message: error.message } }))

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

const unreadable = invalid("the request could not be read, or is too large")

/** Built once for each kind of message, since that costs far more than its use. */
const decoder = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeEither(Schema.parseJson(schema))
  return (json: string) =>
    Either.mapLeft(decode(json), (error) => invalid(`invalid message: ${error.message.replace(/\s+/g, " ")}`))
}

const requestBytes = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
  Effect.mapBoth(request.arrayBuffer, {
    onFailure: () => unreadable,
    onSuccess: (bytes) => Buffer.from(bytes)
  })
)

/** Reads the message of a unary call. */
export const unaryRequest = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = decoder(schema)
  return Effect.flatMap(requestBytes, (bytes) => decode(bytes.length === 0 ? "{}" : bytes.toString()))
}

/** Reads the one message that opens a server stream. */
export const streamRequest = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = decoder(schema)
  return (request: Http.IncomingMessage): Effect.Effect<A, RpcRefused> =>
    Effect.flatMap(DirectRoutes.body(request), (body) => {
      if (Option.isNone(body)) return unreadable
      const bytes = body.value
      if (bytes.length < HEADER || bytes.length !== HEADER + bytes.readUInt32BE(1))
        return invalid("the request is not one whole envelope")
      if ((bytes.readUInt8(0) & COMPRESSED) !== 0) return invalid("compressed envelopes are not supported")
      return decode(bytes.subarray(HEADER).toString())
    })
}

/** The answer to a unary call. */
export const unaryResponse = (value: unknown) => HttpServerResponse.unsafeJson(value)

/** The answer to a unary call that is refused. */
export const errorResponse = (error: RpcRefused) =>
  HttpServerResponse.unsafeJson(
    { code: error.code, message: error.message },
    { status: httpStatus[error.code] }
  )

/** The answer of a server stream. Its HTTP status is always 200; a refusal is told in the last envelope. */
export class StreamAnswer {
  private readonly response: Http.ServerResponse

  constructor(response: Http.ServerResponse) {
    this.response = response
    response.writeHead(200, { "content-type": "application/connect+json" })
  }

  /** Writes envelopes, and calls back when it can take more: now, or once the client has read on. */
  write(envelopes: ReadonlyArray<Buffer>, onRoom: () => void): void {
    if (this.response.write(Buffer.concat(envelopes))) onRoom()
    else this.response.once("drain", onRoom)
  }

  /** Writes the last envelopes. */
  end(envelopes: ReadonlyArray<Buffer>, refusal: RpcRefused | undefined): void {
    this.response.end(Buffer.concat([...envelopes, refusal === undefined ? endOfStream : endWith(refusal)]))
  }
}
