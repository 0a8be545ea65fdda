import { EmbeddedHost } from "@bulkhead/host"
import type { Sandbox } from "e2b"
import { Effect, Redacted } from "effect"

/** Longest that a test waits for an answer, in milliseconds. */
const PATIENCE = 10_000

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** A request to the host that the SDK would not make; fails when it is not answered whole. */
export const request = (path: string, init: RequestInit = {}) =>
  Effect.flatMap(EmbeddedHost, (host) =>
    Effect.promise(async (): Promise<RawAnswer> => {
      const response = await fetch(`${host.url}${path}`, { signal: AbortSignal.timeout(PATIENCE), ...init })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text }
    })
  )

/** A request to the control plane, with the host's key. */
export const control = (path: string, init: RequestInit = {}) =>
  Effect.flatMap(EmbeddedHost, (host) =>
    request(path, {
      ...init,
      headers: { "x-api-key": Redacted.value(host.apiKey), "content-type": "application/json" }
    })
  )

/** What lets a request into a sandbox. */
export const accessTo = (sandbox: Sandbox): Record<string, string> => ({
  "e2b-sandbox-id": sandbox.sandboxId,
  "x-access-token": (sandbox as unknown as { readonly envdAccessToken: string }).envdAccessToken
})
