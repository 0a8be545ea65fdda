import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { Effect, Option } from "effect"

/**
 * What the HTTP client under the SDK saw of a call. The SDK's errors keep no headers, and not every status or cause.
 */
export interface Seen {
  /** Status of the last answer. */
  readonly status?: number
  /** Seconds that the last answer's `Retry-After` asks us to wait. */
  readonly retryAfter?: number
  /** Code of the network error that cut the request off. */
  readonly network?: string
}

/** Which requests belong to a call: those with this header value, and with this path if one is given. */
export interface Mark {
  readonly header: string
  readonly path?: string
  /** What they carry as the header `traceparent`. The SDK takes no headers for requests to a sandbox. */
  readonly traceparent?: string
}

interface Request {
  readonly path: string
  readonly headers: ReadonlyArray<string>
}

/** A request that is not sent yet. */
interface NewRequest extends Request {
  readonly addHeader: (name: string, value: string) => void
}

/** Names and values in turn; for HTTP/2, from undici 8 on, by name. */
type Headers = ReadonlyArray<Buffer> | Readonly<Record<string, unknown>>

interface Answer {
  readonly request: Request
  readonly response: { readonly statusCode: number; readonly headers: Headers }
}

interface Failure {
  readonly request: Request
  readonly error: unknown
}

// The names under which undici announces what its requests come to.
const REQUESTS = "undici:request:create"
const ANSWERS = "undici:request:headers"
const FAILURES = "undici:request:error"

const isMarked = ({ header, path }: Mark, request: Request) =>
  (path === undefined || request.path === path) && request.headers.includes(header)

const isList = (headers: Headers): headers is ReadonlyArray<Buffer> => Array.isArray(headers)

const headerOf = (headers: Headers, name: string) => {
  if (!isList(headers)) return headers[name] === undefined ? undefined : String(headers[name]).trim()
  const at = headers.findIndex((text, index) => index % 2 === 0 && text.toString().toLowerCase() === name)
  return at < 0 ? undefined : headers[at + 1]?.toString().trim()
}

/** Seconds until an HTTP date, by the clock of whoever sent it. */
const secondsUntil = (date: string, sentAt: string | undefined) => {
  const seconds = Math.ceil((Date.parse(date) - Date.parse(sentAt ?? "")) / 1000)
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

/** Seconds in a `Retry-After`, which is a whole number of them or a date; nothing if it is neither. */
const retryAfterOf = (headers: Headers) => {
  const asked = headerOf(headers, "retry-after")
  if (asked === undefined) return undefined
  return /^\d+$/.test(asked) ? Number(asked) : secondsUntil(asked, headerOf(headers, "date"))
}

/** The code of a network error; its name where it has none. */
export const codeOf = (error: unknown): string | undefined => {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  return [code, name].find((text) => typeof text === "string")
}

/** A throw would end the process, and the messages are another's: one that we cannot read is as good as none. */
const listener = <A>(listen: (message: A) => void) => {
  const safely = Option.liftThrowable(listen)
  return (message: unknown) => void safely(message as A)
}

/** A call that is watched. */
interface Watch {
  readonly mark: Mark
  seen: Seen
}

/** All that there are: to subscribe costs more than to look through them. */
const watches = new Set<Watch>()

const watchesOf = (request: Request) => [...watches].filter(({ mark }) => isMarked(mark, request))

const onRequest = listener(({ request }: { readonly request: NewRequest }) => {
  const [traceparent] = watchesOf(request).flatMap(({ mark }) => mark.traceparent ?? [])
  if (traceparent !== undefined) request.addHeader("traceparent", traceparent)
})

const onAnswer = listener(({ request, response }: Answer) => {
  for (const watch of watchesOf(request)) {
    const retryAfter = retryAfterOf(response.headers)
    watch.seen = { status: response.statusCode, ...(retryAfter === undefined ? {} : { retryAfter }) }
  }
})

const onFailure = listener(({ request, error }: Failure) => {
  const network = codeOf(error)
  if (network === undefined) return
  for (const watch of watchesOf(request)) watch.seen = { ...watch.seen, network }
})

const start = (mark: Mark): Watch => {
  if (watches.size === 0) {
    subscribe(REQUESTS, onRequest)
    subscribe(ANSWERS, onAnswer)
    subscribe(FAILURES, onFailure)
  }
  const watch = { mark, seen: {} }
  watches.add(watch)
  return watch
}

const stop = (watch: Watch): void => {
  watches.delete(watch)
  if (watches.size > 0) return
  unsubscribe(REQUESTS, onRequest)
  unsubscribe(ANSWERS, onAnswer)
  unsubscribe(FAILURES, onFailure)
}

/** Uses what is seen of the marked requests, and gives them their header, for as long as the effect runs. */
export const watching = <A, E>(
  mark: Mark,
  use: (seen: () => Seen) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.sync(() => start(mark)),
    (watch) => use(() => watch.seen),
    (watch) => Effect.sync(() => stop(watch))
  )
