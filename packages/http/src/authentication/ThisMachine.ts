import type { HttpServerRequest } from "@effect/platform"

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

/**
 * Whether a request is addressed to this machine. Where callers need no key, all others are refused: a web page whose
 * own host name resolves to this machine must not run code here (DNS rebinding).
 */
export const namesThisMachine = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  loopback.test(headers.host ?? "")

/**
 * Whether a page of another site sends something that may change what is here, as browsers say: they send forms, and
 * requests without a body, anywhere without asking first. Where there are keys, no such page has one.
 */
export const isFromAnotherSite = ({ headers, method }: HttpServerRequest.HttpServerRequest) => {
  if (method === "GET" || method === "HEAD") return false
  const { host, origin, "sec-fetch-site": site = "none" } = headers
  if (site !== "same-origin" && site !== "none") return true
  return origin !== undefined && origin.replace(/^https?:\/\//, "") !== host
}

/** What a request from there is told. */
export const expectedOrigin = "Expected no Origin header, or one that names this server"

/** What a refused request is told. */
export const expected = "Expected a Host header that names this machine: localhost, 127.0.0.1 or [::1]"
