import { signal } from "@preact/signals"

/** What the server answered instead of what was asked for. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Whether the server said that nobody is signed in. */
export const isSignedOut = signal(false)

const root = "/dashboard"

/** What no page of another origin can send. */
const own = { "x-bulkhead-dashboard": "1" }

const messageOf = async (response: Response) => {
  const text = await response.text()
  const body = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined
  return String(body?.error?.message ?? `The server answered ${response.status}`)
}

/** Sends a request beneath `/dashboard`. Fails with `Refused` when it is not granted. */
export const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
  const response = await fetch(`${root}${path}`, {
    ...init,
    headers: { ...own, ...init.headers },
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error"
  })
  if (response.ok) return response
  if (response.status === 401 && path !== "/session") isSignedOut.value = true
  throw new Refused(response.status, await messageOf(response))
}

const json = (body: unknown) => ({
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body)
})

/** The body of an answer, which is as the server's own contract says. */
export const get = async <A>(path: string, abort?: AbortSignal): Promise<A> =>
  (await send(path, abort ? { signal: abort } : {})).json()

export const post = async <A>(path: string, body: unknown = {}): Promise<A> =>
  (await send(path, { method: "POST", ...json(body) })).json()

export const put = async <A>(path: string, body: unknown): Promise<A> =>
  (await send(path, { method: "PUT", ...json(body) })).json()

/** A part of a path. Of a name that is no whole text, halves of characters are replaced. */
export const segment = (text: string) => encodeURIComponent(text.toWellFormed())

/** A query without what is empty. */
export const query = (parameters: Readonly<Record<string, string | undefined>>) => {
  const given = Object.entries(parameters).filter((pair): pair is [string, string] => !!pair[1])
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`
}

/** In words for the operator. */
export const wordsOf = (failure: unknown): string => {
  if (failure instanceof Refused) return failure.message
  return failure instanceof TypeError ? "The server cannot be reached" : String(failure)
}
