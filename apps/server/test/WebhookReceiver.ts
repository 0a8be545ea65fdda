import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { WebhookMessage } from "@bulkhead/domain"
import { Effect, Option, Queue } from "effect"

/** One copy of a message, as it came. */
export interface Copy {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly body: WebhookMessage
}

/** What a receiver does with a message: the right thing, or what receivers do on bad days. */
export type Behaviour = "takes" | "fails" | "stalls" | "lies" | "redirects" | "vanishes" | "is gone"

const behave: Record<Behaviour, (response: ServerResponse) => void> = {
  takes: (response) => void response.writeHead(204).end(),
  fails: (response) => void response.writeHead(500).end("x".repeat(1000)),
  stalls: () => undefined,
  // Not the length that it says, and more than anybody wants.
  lies: (response) => {
    response.socket?.write("HTTP/1.1 500 OK\r\nContent-Length: 5\r\n\r\n")
    response.socket?.end("x".repeat(10_000_000))
  },
  redirects: (response) => void response.writeHead(307, { location: "/elsewhere" }).end(),
  vanishes: (response) => void response.socket?.destroy(),
  "is gone": (response) => void response.writeHead(410).end()
}

const textOf = (request: IncomingMessage, onText: (text: string) => void) => {
  const pieces: Array<Buffer> = []
  request.on("error", () => undefined)
  request.on("data", (piece: Buffer) => pieces.push(piece))
  request.on("end", () => onText(Buffer.concat(pieces).toString()))
}

/** A receiver on this machine, until the scope closes. It behaves as it is told for each copy, by all that came. */
export const make = (behaviour: (copy: Copy, before: ReadonlyArray<Copy>) => Behaviour = () => "takes") =>
  Effect.gen(function* () {
    const copies: Array<Copy> = []
    const arrivals = yield* Queue.unbounded<Copy>()
    const server = createServer((request, response) =>
      textOf(request, (text) => {
        const headers = Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name, String(value)])
        )
        const copy: Copy = { path: request.url ?? "", headers, text, body: JSON.parse(text) }
        const wanted = behaviour(copy, copies)
        copies.push(copy)
        Queue.unsafeOffer(arrivals, copy)
        behave[wanted](response)
      })
    )
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    const { port } = server.address() as AddressInfo
    return {
      url: `http://127.0.0.1:${port}`,
      copies: copies as ReadonlyArray<Copy>,
      /** The next copy that comes. */
      next: Queue.take(arrivals).pipe(
        Effect.timeoutOption("30 seconds"),
        Effect.map(Option.getOrThrowWith(() => new Error("no message came")))
      )
    }
  })

/** Settings of a server that may send to such receivers. */
export const settings = { SANDBOX_WEBHOOK_NETWORKS: "127.0.0.0/8" }
