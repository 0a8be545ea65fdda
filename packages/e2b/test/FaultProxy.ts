import {
  Agent,
  createServer,
  type IncomingMessage,
  request as requestUpstream,
  type ServerResponse
} from "node:http"
import type { AddressInfo } from "node:net"
import { Duration, Effect } from "effect"

/** What happens to a request instead of being passed on and answered. */
export type Fault =
  /** The connection is reset, and the host never hears of the request. */
  | { readonly _tag: "ResetBefore" }
  /** The host has done what was asked, and its answer is lost. */
  | { readonly _tag: "ResetAfter" }
  /** Answered by the proxy; the host never hears of it. */
  | { readonly _tag: "Refuse"; readonly status: number; readonly headers?: Record<string, string> }
  /** Never answered, nor passed on. */
  | { readonly _tag: "Stall" }
  /** The host has done what was asked, and its answer never comes. */
  | { readonly _tag: "StallAfter" }
  /** Passed on, but the answer breaks off so many bytes before its end. */
  | { readonly _tag: "TruncateEnd"; readonly bytes: number }
  /** Passed on, but the answer breaks off after so many bytes of its body. */
  | { readonly _tag: "Truncate"; readonly bytes: number }
  /** Passed on, but nobody takes more than so many bytes of the answer's body before a while has passed. */
  | { readonly _tag: "Pause"; readonly bytes: number; readonly pause: Duration.DurationInput }
  /** Passed on after a while. */
  | { readonly _tag: "Delay"; readonly delay: Duration.DurationInput }

export interface Rule {
  readonly method: string
  /** Matched with the path and query. */
  readonly path: RegExp
  /** Which of the matching requests, counted from 1 when the rule is made; the first unless told. */
  readonly nth?: (match: number) => boolean
  readonly fault: Fault
}

export interface FaultProxy {
  /** For both `apiUrl` and `sandboxUrl`. */
  readonly url: string
  /** Adds a fault; the first rule that matches counts. Tells how often the fault has struck since. */
  readonly inject: (rule: Rule) => () => number
  /** Lets everything through again. */
  readonly clear: () => void
}

export const create = { method: "POST", path: /^\/v2\/sandboxes$/ }
export const list = { method: "GET", path: /^\/v2\/sandboxes/ }
export const renew = { method: "POST", path: /^\/sandboxes\/[^/]+\/timeout$/ }
export const destroy = { method: "DELETE", path: /^\/sandboxes\/[^/]+$/ }
export const start = { method: "POST", path: /^\/process\.Process\/Start$/ }
export const files = { method: "POST", path: /^\/files/ }

interface Injected extends Rule {
  matches: number
  strikes: number
}

/** Passes a request on, and gives the answer to whoever wants it. */
const passOn = (
  upstream: URL,
  agent: Agent,
  request: IncomingMessage,
  response: ServerResponse,
  onAnswer: (answer: IncomingMessage) => void
) => {
  const { headers, method, url } = request
  const { hostname, port } = upstream
  const forwarded = requestUpstream({ hostname, port, path: url, method, headers, agent }, onAnswer)
  forwarded.on("error", () => response.socket?.resetAndDestroy())
  response.on("close", () => forwarded.destroy())
  request.pipe(forwarded)
}

const relay = (response: ServerResponse) => (answer: IncomingMessage) => {
  response.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
  response.flushHeaders()
  answer.pipe(response)
}

const relayUpTo = (bytes: number, response: ServerResponse) => (answer: IncomingMessage) => {
  let left = bytes
  response.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
  response.flushHeaders()
  answer.on("data", (chunk: Buffer) => {
    if (left <= 0) return
    const part = chunk.subarray(0, left)
    left -= part.length
    response.write(part, () => {
      if (left <= 0) response.socket?.resetAndDestroy()
    })
  })
  answer.on("end", () => {
    if (left > 0) response.end()
  })
}

const relayWithPause =
  (bytes: number, pause: Duration.DurationInput, response: ServerResponse) => (answer: IncomingMessage) => {
    let taken = 0
    response.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
    response.flushHeaders()
    const first = (chunk: Buffer) => {
      response.write(chunk)
      taken += chunk.length
      if (taken < bytes) return
      answer.off("data", first).pause()
      const goOn = Effect.sync(() => answer.pipe(response))
      Effect.runFork(Effect.delay(goOn, Duration.decode(pause)))
    }
    answer.on("data", first)
  }

const relayWithoutEnd = (bytes: number, response: ServerResponse) => (answer: IncomingMessage) => {
  let kept = Buffer.alloc(0)
  response.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
  response.flushHeaders()
  answer.on("data", (chunk: Buffer) => {
    const all = Buffer.concat([kept, chunk])
    const end = Math.max(0, all.length - bytes)
    response.write(all.subarray(0, end))
    kept = all.subarray(end)
  })
  answer.on("end", () => response.write("", () => response.socket?.resetAndDestroy()))
}

/** A real HTTP proxy on loopback between the SDK and a host. */
export const make = (upstreamUrl: string) =>
  Effect.acquireRelease(
    Effect.async<FaultProxy & { readonly stop: () => void }>((resume) => {
      const upstream = new URL(upstreamUrl)
      const agent = new Agent({ keepAlive: true })
      let rules: Array<Injected> = []

      const faultOf = ({ method, url = "" }: IncomingMessage): Fault | undefined => {
        const rule = rules.find((rule) => {
          if (rule.method !== method || !rule.path.test(url)) return false
          rule.matches++
          return (rule.nth ?? ((match) => match === 1))(rule.matches)
        })
        if (rule !== undefined) rule.strikes++
        return rule?.fault
      }

      const server = createServer((request, response) => {
        const pass = (onAnswer: (answer: IncomingMessage) => void) =>
          passOn(upstream, agent, request, response, onAnswer)
        const fault = faultOf(request)
        switch (fault?._tag) {
          case undefined:
            return pass(relay(response))
          case "ResetBefore":
            return void response.socket?.resetAndDestroy()
          case "ResetAfter":
            return pass((answer) => answer.resume().on("end", () => response.socket?.resetAndDestroy()))
          case "Refuse":
            return request
              .resume()
              .on("end", () => void response.writeHead(fault.status, fault.headers).end("refused"))
          case "Stall":
            return void request.resume()
          case "StallAfter":
            return pass((answer) => answer.resume())
          case "TruncateEnd":
            return pass(relayWithoutEnd(fault.bytes, response))
          case "Truncate":
            return pass(relayUpTo(fault.bytes, response))
          case "Pause":
            return pass(relayWithPause(fault.bytes, fault.pause, response))
          case "Delay":
            return Effect.runFork(
              Effect.delay(
                Effect.sync(() => pass(relay(response))),
                Duration.decode(fault.delay)
              )
            )
        }
      })

      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            inject: (rule) => {
              const injected = { ...rule, matches: 0, strikes: 0 }
              rules.push(injected)
              return () => injected.strikes
            },
            clear: () => {
              rules = []
            },
            stop: () => {
              server.close()
              server.closeAllConnections()
              agent.destroy()
            }
          })
        )
      )
    }),
    ({ stop }) => Effect.sync(stop)
  )
