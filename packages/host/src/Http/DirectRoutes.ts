import type * as Http from "node:http"
import { Effect, FiberId, Option, Runtime } from "effect"

/** Answers a request by itself, without a router's machinery; interrupted when the client goes away. */
export type Handler = (
  request: Http.IncomingMessage,
  response: Http.ServerResponse,
  path: string
) => Effect.Effect<void>

/** The handler of a method and a path, for the few routes that every execution takes. */
export type Find = (method: string, path: string) => Handler | undefined

/** As much as the other routes take. */
const LARGEST_BODY = 10 * 1024 * 1024

/** The body of a request; none when it could not be read or is too large. */
export const body = (request: Http.IncomingMessage) =>
  Effect.async<Option.Option<Buffer>>((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const refuse = () => {
      request.off("data", keep)
      request.resume()
      resume(Effect.succeed(Option.none()))
    }
    const keep = (chunk: Buffer) => {
      size += chunk.length
      if (size > LARGEST_BODY) refuse()
      else chunks.push(chunk)
    }
    request.on("error", refuse)
    request.on("data", keep)
    request.on("end", () => resume(Effect.succeed(Option.some(Buffer.concat(chunks)))))
  })

/** Answers with JSON. */
export const json = (response: Http.ServerResponse, status: number, value: unknown): void => {
  const text = JSON.stringify(value)
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text)
  })
  response.end(text)
}

const failed = (response: Http.ServerResponse) =>
  Effect.sync(() => {
    if (!response.headersSent) response.writeHead(500)
    response.end()
  })

const pathOf = (url: string) => {
  const at = url.indexOf("?")
  return at < 0 ? url : url.slice(0, at)
}

/** A server's listener: the handler that is found, or the other one. */
export const make = (
  find: Find,
  otherwise: (request: Http.IncomingMessage, response: Http.ServerResponse) => void
) =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const runFork = Runtime.runFork(runtime)
    return (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
      const path = pathOf(request.url ?? "")
      const handler = find(request.method ?? "", path)
      if (handler === undefined) {
        otherwise(request, response)
        return
      }
      const answered = Effect.catchAllCause(handler(request, response, path), (cause) =>
        Effect.zipRight(Effect.logError("A request failed", cause), failed(response))
      )
      const fiber = runFork(answered)
      response.on("close", () => {
        if (!response.writableEnded) fiber.unsafeInterruptAsFork(FiberId.none)
      })
    }
  })
