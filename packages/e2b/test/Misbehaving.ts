import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

/** How a route answers. */
export type Answer = (response: ServerResponse, request: IncomingMessage) => void

export const routes = {
  create: ["POST", /^\/v2\/sandboxes$/],
  list: ["GET", /^\/v2\/sandboxes(\?|$)/],
  renew: ["POST", /^\/sandboxes\/[^/]+\/timeout$/],
  kill: ["DELETE", /^\/sandboxes\/[^/]+$/],
  start: ["POST", /^\/process\.Process\/Start$/],
  files: ["POST", /^\/files(\?|$)/],
  attempts: ["GET", /^\/sandboxes\/[^/]+\/network\/attempts\?/],
  health: ["GET", /^\/health$/]
} as const

export type Route = keyof typeof routes

/** A whole answer. */
export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))

/** The control plane's way to refuse. */
export const refuse = (status: number, headers: Record<string, string> = {}): Answer =>
  json(status, { code: status, message: "no, from /srv/secret at 10.0.0.1" }, headers)

/** A proxy's way to refuse. */
export const html =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { "content-type": "text/html", ...headers }).end("<h1>Nope</h1>")

/** Whatever text, as JSON. */
export const text =
  (status: number, body: string): Answer =>
  (response) =>
    response.writeHead(status, { "content-type": "application/json" }).end(body)

export const hang: Answer = () => {}

/** A connection that closes instead of an answer. */
export const close: Answer = (response) => void response.socket?.destroy()

/** A connection that is reset instead of an answer. */
export const reset: Answer = (response) => void response.socket?.resetAndDestroy()

/** An answer that breaks off within its body. */
export const cutOff =
  (status: number): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json", "content-length": "1000" })
    response.write('{"code"', () => response.socket?.destroy())
  }

/** Bytes that are no HTTP. */
export const raw =
  (bytes: string): Answer =>
  (response) =>
    void response.socket?.end(bytes)

const envelope = (flags: number, value: unknown) => {
  const body = Buffer.from(typeof value === "string" ? value : JSON.stringify(value))
  const head = Buffer.alloc(5)
  head.writeUInt8(flags, 0)
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

/** A message of a Connect stream: a value, or text as it is. */
export const message = (value: unknown) => envelope(0, value)

/** The last envelope of a Connect stream, with an error or without. */
export const finish = (code?: string, message = "no, from /srv/secret at 10.0.0.1") =>
  envelope(2, code === undefined ? {} : { error: { code, message } })

export const started = message({ event: { start: { pid: 7 } } })
export const output = message({ event: { data: { stdout: Buffer.from("hello\n").toString("base64") } } })
export const ended = message({ event: { end: { exitCode: 0, exited: true, status: "exit status 0" } } })

/** A Connect stream of these envelopes, and what comes of it then. */
export const stream =
  (envelopes: ReadonlyArray<Buffer>, then: "end" | "close" | "hang" = "end"): Answer =>
  (response) => {
    response.writeHead(200, { "content-type": "application/connect+json" })
    response.flushHeaders()
    if (then === "end") return void response.end(Buffer.concat(envelopes))
    response.write(Buffer.concat([...envelopes, Buffer.alloc(0)]), () => {
      if (then === "close") response.socket?.destroy()
    })
  }

/** What a create answers. */
export const sandbox = (facts: Record<string, unknown> = {}) => ({
  sandboxID: "sbx-misbehaving",
  templateID: "base",
  clientID: "test",
  envdVersion: "0.6.13",
  envdAccessToken: "token",
  ...facts
})

/** How a good server answers. */
export const good: Record<Route, Answer> = {
  create: json(201, sandbox()),
  list: json(200, []),
  renew: (response) => void response.writeHead(204).end(),
  kill: (response) => void response.writeHead(204).end(),
  start: stream([started, ended, finish()]),
  files: json(200, [{ path: "/home/user/f", name: "f", type: "file" }]),
  attempts: refuse(404),
  health: (response) => void response.writeHead(204).end()
}

export interface Misbehaving {
  readonly url: string
  /** How often each route was asked. */
  readonly asked: Record<Route, number>
  /** What each create and each upload brought, as text. */
  readonly bodies: Readonly<Record<"create" | "files", ReadonlyArray<string>>>
  /** Changes how routes answer from now on. */
  readonly script: (answers: Partial<Record<Route, Answer>>) => void
}

const routeOf = ({ method, url = "" }: IncomingMessage) =>
  (Object.keys(routes) as Array<Route>).find((name) => {
    const [wanted, path] = routes[name]
    return method === wanted && path.test(url)
  })

/** A real server on loopback that speaks E2B's API as well as its script lets it. */
export const make = (answers: Partial<Record<Route, Answer>> = {}) =>
  Effect.acquireRelease(
    Effect.async<Misbehaving & { readonly stop: () => void }>((resume) => {
      const asked = { create: 0, list: 0, renew: 0, kill: 0, start: 0, files: 0, attempts: 0, health: 0 }
      const bodies = { create: [] as Array<string>, files: [] as Array<string> }
      let current = { ...good, ...answers }
      const server = createServer((request, response) => {
        const route = routeOf(request)
        if (route === undefined) return refuse(404)(response, request)
        // The answer comes when the whole question is here, as a proxy would have it.
        const pieces: Array<Buffer> = []
        request.on("data", (piece) => pieces.push(piece))
        request.on("end", () => {
          if (route === "create" || route === "files") bodies[route].push(Buffer.concat(pieces).toString())
          asked[route]++
          current[route](response, request)
        })
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            asked,
            bodies,
            script: (more) => {
              current = { ...current, ...more }
            },
            stop: () => {
              server.close()
              server.closeAllConnections()
            }
          })
        )
      )
    }),
    ({ stop }) => Effect.sync(stop)
  )
