import { IncomingMessage, Server, ServerResponse, STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { executionError } from "@bulkhead/domain"
import { Predicate } from "effect"

export interface Bounds {
  /** Connections at once. */
  readonly connections: number
  /** Seconds that a request may take to arrive whole. */
  readonly requestTimeout: number
}

/** Bytes of a request's line and headers together. */
const headerBytes = 16 * 1024
/** Seconds that they may take to arrive, also the first ones of a connection. */
const longestHeaders = 15
/** Seconds that a connection may wait for its next request. */
export const longestIdle = 5
/** Seconds between looks for connections whose time is over. */
const lookInterval = 1

/** A request that is no HTTP, or whose time is over, as Node calls it. */
const refusals: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request took too long to arrive"],
  HPE_HEADER_OVERFLOW: [431, `headers: expected at most ${headerBytes} bytes with the request line`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "body: expected chunks with shorter extensions"]
}

const noHttp = [400, "expected HTTP/1.1"] as const

const bodyOf = (message: string) =>
  JSON.stringify({ success: false, error: executionError("INVALID_REQUEST", message) })

const answerTo = (error: unknown) => {
  const code = Predicate.hasProperty(error, "code") ? String(error.code) : ""
  const [status, message] = refusals[code] ?? noHttp
  const body = bodyOf(message)
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "",
    body
  ].join("\r\n")
}

/** Answers in the contract's form what never becomes a request, unless another answer is on its way. */
const answerFailures = (server: Server) => {
  const latest = new WeakMap<Duplex, ServerResponse>()
  server.on("request", (request, response) => latest.set(request.socket, response))
  server.on("clientError", (error, socket) => {
    const response = latest.get(socket)
    const isAnswering = response?.headersSent === true && !response.writableFinished
    if (isAnswering || !socket.writable) socket.destroy()
    else socket.end(answerTo(error), () => socket.destroy())
  })
}

/** Node refuses these by itself, but without a word. */
const refuse = (response: ServerResponse, status: number, message: string) => {
  const body = bodyOf(message)
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
  response.writeHead(status, { ...headers, connection: "close" }).end(body)
}

const refuseExpectations = (server: Server) =>
  server.on("checkExpectation", (_: IncomingMessage, response: ServerResponse) =>
    refuse(response, 417, "expect: expected 100-continue")
  )

const lacksHost = ({ headers, httpVersion }: IncomingMessage) =>
  httpVersion === "1.1" && headers.host === undefined

/** Who asks before it sends a body is told to send it when somebody reads it: what is refused is never sent. */
const continueLate = (server: Server) =>
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    let isTold = false
    request.on("newListener", (event) => {
      if (isTold || response.headersSent || (event !== "readable" && event !== "data")) return
      isTold = true
      response.writeContinue()
    })
    server.emit("request", request, response)
  })

/** The last tenth of the connections is for those that bring a request. */
const mostUnheard = (connections: number) => Math.floor(connections * 0.9)

const hasBody = ({ headers }: IncomingMessage) =>
  headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined

/**
 * Where connections run short, whichever has kept us waiting longest for the whole of a request makes room for the
 * next: who opens very many of them, or sends slowly, locks nobody out.
 */
const makeRoom = (server: Server, connections: number) => {
  const open = new Set<Socket>()
  const unheard = new Set<Socket>()
  server.on("connection", (socket) => {
    const [oldest] = unheard
    if (open.size >= mostUnheard(connections)) oldest?.destroy()
    open.add(socket)
    unheard.add(socket)
    socket.once("close", () => {
      open.delete(socket)
      unheard.delete(socket)
    })
  })
  server.on("request", (request, response) => {
    const { socket } = request
    const hear = () => unheard.delete(socket)
    if (hasBody(request)) request.once("end", hear)
    else hear()
    response.once("close", () => {
      hear()
      if (!socket.destroyed) unheard.add(socket)
    })
  })
}

/** Requests of one connection that are answered at once: clients wait for one answer, or for a few. */
const mostAtOnce = 32

/**
 * Cuts a connection that sends more requests than are answered at once; nobody is told of those beyond. Tells every
 * answer that its connection is closed: Node itself tells the one that is being sent, and those behind it nothing.
 */
class WaitingServer extends Server {
  private readonly underWay = new WeakMap<Socket, Set<ServerResponse>>()

  override emit(event: string, ...args: ReadonlyArray<unknown>): boolean {
    const [request, response] = args
    const isRequest = request instanceof IncomingMessage && response instanceof ServerResponse
    return event === "request" && isRequest && !this.enter(request, response)
      ? true
      : super.emit(event, ...args)
  }

  private enter(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    // The parser goes on with what it has of a connection that is cut.
    if (socket.destroyed) return false
    const answers = this.answersOn(socket)
    if (answers.size >= mostAtOnce) {
      socket.destroy()
      return false
    }
    answers.add(response)
    response.once("close", () => answers.delete(response))
    if (!lacksHost(request)) return true
    refuse(response, 400, "host: is missing")
    return false
  }

  private answersOn(socket: Socket): Set<ServerResponse> {
    const known = this.underWay.get(socket)
    if (known !== undefined) return known
    const answers = new Set<ServerResponse>()
    this.underWay.set(socket, answers)
    socket.once("close", () => {
      for (const response of answers) if (response.socket === null) response.emit("close")
    })
    return answers
  }
}

/** A server of Node's whose connections are bounded in number, size and time. */
export const boundedServer = ({ connections, requestTimeout }: Bounds): Server => {
  const server = new WaitingServer({
    maxHeaderSize: headerBytes,
    headersTimeout: Math.min(longestHeaders, requestTimeout) * 1000,
    requestTimeout: requestTimeout * 1000,
    keepAliveTimeout: longestIdle * 1000,
    connectionsCheckingInterval: lookInterval * 1000,
    keepAlive: true,
    requireHostHeader: false
  })
  server.maxConnections = connections
  makeRoom(server, connections)
  answerFailures(server)
  continueLate(server)
  refuseExpectations(server)
  return server
}
