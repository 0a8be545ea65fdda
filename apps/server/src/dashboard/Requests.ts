import { errorBody } from "@bulkhead/api"
import { type ErrorCode, executionError } from "@bulkhead/domain"
import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect } from "effect"
import { harmless } from "./PageFiles.js"

/** Never kept by a browser, and never read by another site. */
const headers = { ...harmless, "cache-control": "no-store" }

export const json = (body: unknown, status = 200, more: Readonly<Record<string, string>> = {}) =>
  Effect.orDie(HttpServerResponse.json(body, { status, headers: { ...headers, ...more } }))

/** A refusal in the contract's form. */
export const refuse = (
  status: number,
  code: ErrorCode,
  message: string,
  more: Readonly<Record<string, string>> = {}
) => json(errorBody(executionError(code, message)), status, more)

export const done = HttpServerResponse.empty({ status: 204, headers })

/** No page of another origin can add it without being asked by the browser first, which is never allowed here. */
export const ownHeader = "x-bulkhead-dashboard"

/**
 * Whether the dashboard's own page sends a request, as far as browsers say: cookies go to all ports of a host, and
 * pages of the other ports are of the same site. A file is fetched without the header, by an `img` or a link.
 */
export const isOwn = ({ headers, method }: HttpServerRequest.HttpServerRequest, needsHeader: boolean) => {
  const { host, origin, "sec-fetch-site": site = "same-origin" } = headers
  // `none`: the operator typed it, or chose a bookmark.
  if (site !== "same-origin" && !(site === "none" && method === "GET")) return false
  if (origin !== undefined && origin.replace(/^https?:\/\//, "") !== host) return false
  return !needsHeader || headers[ownHeader] === "1"
}

export const notOwn = refuse(
  403,
  "PERMISSION_DENIED",
  `Expected a request of the dashboard's own page, with the header ${ownHeader}`
)

export const current = HttpServerRequest.HttpServerRequest
