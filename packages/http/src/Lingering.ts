import { type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Stream } from "effect"
import * as Connection from "./Connection.js"

/** Bytes of a body that nobody wants which are read nevertheless, and for how long. */
const mostDrained = 256 * 1024 * 1024
const longestDrain = "30 seconds"

/** Reads what is left of a request, within bounds; cuts the connection if that is not all. */
const drain = (request: HttpServerRequest.HttpServerRequest) =>
  Connection.discard(request, mostDrained).pipe(
    Effect.timeoutOption(longestDrain),
    Effect.zipRight(Effect.unless(Connection.cut(request), () => Connection.isReceived(request)))
  )

const bytesOf = ({ body }: HttpServerResponse.HttpServerResponse) => {
  if (body._tag === "Uint8Array") return body.body
  return body._tag === "Empty" ? new Uint8Array() : undefined
}

/** HTTP has no length for these: of 304, it would be that of what is not sent. */
const withoutLength = new Set([204, 304])

/**
 * An answer that comes before the end of its request goes out at once, and is not over until the rest of the request
 * was read: closing the connection before that would take the answer away from who is still sending.
 */
export const until = (
  request: HttpServerRequest.HttpServerRequest,
  response: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  const bytes = bytesOf(response)
  if (bytes === undefined || Connection.isReceived(request)) return response
  return HttpServerResponse.stream(
    Stream.concat(Stream.make(bytes), Stream.drain(Stream.fromEffect(drain(request)))),
    {
      status: response.status,
      headers: {
        ...response.headers,
        ...(response.body.contentType === undefined ? {} : { "content-type": response.body.contentType }),
        ...(withoutLength.has(response.status) ? {} : { "content-length": String(bytes.length) }),
        // Who waits for a 100 before it sends its body may never send it.
        ...(request.headers.expect === undefined ? {} : { connection: "close" })
      }
    }
  )
}
