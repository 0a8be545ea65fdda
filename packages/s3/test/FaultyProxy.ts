import { createServer, request as forward, type IncomingMessage, type ServerResponse } from "node:http"
import { Effect } from "effect"

/** What becomes of a request: it is passed on; answered with a status; done without an answer; or never answered. */
export type Fault = "pass" | "loseAnswer" | "hang" | { readonly status: number }

const passOn = (endpoint: URL, request: IncomingMessage, use: (answer: IncomingMessage) => void) => {
  const { headers, method, url } = request
  const onward = forward(
    { host: endpoint.hostname, port: endpoint.port, headers, method, path: url, agent: false },
    use
  )
  request.pipe(onward)
}

const refuse = (request: IncomingMessage, response: ServerResponse, status: number) => {
  request.resume()
  request.once("end", () => {
    response.writeHead(status, { "content-type": "application/xml" })
    response.end(`<Error><Code>Fault${status}</Code><Message>a fault</Message></Error>`)
  })
}

/** A proxy before a store, which asks of each request what is to become of it; and the requests that came, in order. */
export const make = Effect.fnUntraced(function* (
  endpoint: string,
  fault: (method: string, url: string) => Fault
) {
  const requests: Array<string> = []
  const server = createServer((request, response) => {
    const { method = "", url = "" } = request
    requests.push(`${method} ${url}`)
    const what = fault(method, url)
    if (what === "hang") return
    if (typeof what === "object") return refuse(request, response, what.status)
    passOn(new URL(endpoint), request, (answer) => {
      if (what === "loseAnswer") {
        answer.resume()
        answer.once("end", () => request.socket.destroy())
        return
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 0) : 0))
      })
    }),
    () =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )
  return { endpoint: `http://127.0.0.1:${port}`, requests }
})
