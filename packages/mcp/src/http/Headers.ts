import type { HttpServerRequest } from "@effect/platform"
import { Effect } from "effect"
import * as JsonRpc from "../JsonRpc.js"
import * as Protocol from "../Protocol.js"

type Request = HttpServerRequest.HttpServerRequest

/** An answer without a message of the client's that it could belong to. */
export interface Refused {
  readonly status: number
  readonly failure: JsonRpc.RpcFailure
}

const refuse = (status: number, message: string) =>
  Effect.fail<Refused>({ status, failure: JsonRpc.refusedRequest(message) })

const hostOf = (origin: string) => /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase()

/** A browser says which page asks: none but one of this server's own may, whatever its name resolves to. */
const checkOrigin = ({ headers }: Request) =>
  headers.origin === undefined || hostOf(headers.origin) === headers.host?.toLowerCase()
    ? Effect.void
    : refuse(403, "Origin: expected none, or that of this server")

const accepts = (accept: string, type: string) =>
  accept.split(",").some((range) => {
    const [name = ""] = range.split(";")
    const wanted = name.trim().toLowerCase()
    return wanted === type || wanted === "*/*" || wanted === `${type.split("/")[0]}/*`
  })

/** What answers may be is for the server to choose, so clients must take both. */
const checkAccept = ({ headers: { accept = "" } }: Request) =>
  accepts(accept, "application/json") && accepts(accept, "text/event-stream")
    ? Effect.void
    : refuse(406, "Accept: expected application/json and text/event-stream")

const checkVersion = ({ headers }: Request) => {
  const version = headers["mcp-protocol-version"]
  return version === undefined || Protocol.isSpoken(version)
    ? Effect.void
    : refuse(400, `MCP-Protocol-Version: expected one of ${Protocol.versions.join(", ")}`)
}

/** What must be right about a request before anything else of it is looked at. */
export const check = (request: Request): Effect.Effect<void, Refused> =>
  Effect.zipRight(checkOrigin(request), checkVersion(request))

/** The same of one that brings a message. */
export const checkMessage = (request: Request): Effect.Effect<void, Refused> =>
  Effect.zipRight(check(request), checkAccept(request))

/** The name of the header by which clients say which session is theirs. */
export const sessionHeader = "mcp-session-id"
