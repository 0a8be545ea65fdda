import * as Http from "node:http"
import type { Duplex } from "node:stream"
import { Effect, Predicate } from "effect"
import * as Answer from "./Answer.js"
import type { Match } from "./Routes.js"

/** Most bytes of a request's line and headers together: as Go has it, in which E2B's servers are written. */
export const HEADER_BYTES = 1024 * 1024

const refusals: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the headers took too long to arrive"],
  HPE_HEADER_OVERFLOW: [431, `the request line and headers must be at most ${HEADER_BYTES} bytes`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "the extensions of the body's chunks are too long"]
}

const noHttp = [400, "the request must be HTTP/1.1"] as const

const headersOf = (body: string) => ({
  connection: "close",
  "content-type": "application/json",
  "content-length": Buffer.byteLength(body)
})

const bodyOf = (code: number, message: string) => JSON.stringify({ code, message })

const answerTo = (error: unknown) => {
  const name = Predicate.hasProperty(error, "code") ? String(error.code) : ""
  const [status, message] = refusals[name] ?? noHttp
  const body = bodyOf(status, message)
  const headers = Object.entries(headersOf(body)).map(([header, value]) => `${header}: ${value}`)
  return [`HTTP/1.1 ${status} ${Http.STATUS_CODES[status]}`, ...headers, "", body].join("\r\n")
}

/** Answers what never becomes a request, unless another answer is on its way. Node does it too, without a body. */
const answerParserErrors = (server: Http.Server): void => {
  const latest = new WeakMap<Duplex, Http.ServerResponse>()
  server.on("request", ({ socket }, response) => latest.set(socket, response))
  server.on("clientError", (error, socket) => {
    const response = latest.get(socket)
    const isAnswering = response?.headersSent === true && !response.writableFinished
    if (isAnswering || !socket.writable) socket.destroy()
    else socket.end(answerTo(error), () => socket.destroy())
  })
}

const refuseExpectations = (server: Http.Server): void => {
  server.on("checkExpectation", (_: Http.IncomingMessage, response: Http.ServerResponse) => {
    const body = bodyOf(417, "expect must be 100-continue")
    response.writeHead(417, headersOf(body)).end(body)
  })
}

/** Lets a server say with a body what is wrong with a request that reaches no route. */
export const answer = (server: Http.Server): void => {
  answerParserErrors(server)
  refuseExpectations(server)
}

/** HTTP/1.1 asks for a host in each request. */
export const lacksHost = ({ headers, httpVersion }: Http.IncomingMessage): boolean =>
  httpVersion === "1.1" && headers.host === undefined

/** What answers requests that lack one. */
export const withoutHost: Match = {
  name: "other",
  handler: () => Effect.succeed(Answer.json(400, { code: 400, message: "the header host must be given" })),
  id: ""
}
