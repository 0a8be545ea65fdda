import type { HttpServerRequest } from "@effect/platform"

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

/**
 * Whether a request is addressed to this machine. Where callers need no key, all others are refused: a web page whose
 * own host name resolves to this machine must not run code here (DNS rebinding).
 */
export const namesThisMachine = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  loopback.test(headers.host ?? "")

/** What a refused request is told. */
export const expected = "Expected a Host header that names this machine: localhost, 127.0.0.1 or [::1]"
