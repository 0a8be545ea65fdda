import { ExecutionId, Harmless } from "@bulkhead/domain"
import type { RequestFacts } from "@bulkhead/http"
import { Instruments } from "@bulkhead/sandbox"
import { Clock, Effect, Schema, type Tracer } from "effect"

/** A request that was answered. */
export interface Answered {
  readonly caller: RequestFacts.Facts["caller"] | undefined
  readonly executionId: string | undefined
  readonly method: string
  /** As the contract has it, with `:name` for what may be anything. */
  readonly route: string
  readonly path: string
  readonly status: number
  readonly ms: number
  /** Bytes that were sent, with the headers. */
  readonly bytes: number
  readonly span: Pick<Tracer.Span, "traceId" | "spanId">
}

const longestPath = 200

/** In bounded length, and of printable characters alone. */
const harmless = (path: string) => path.slice(0, longestPath).replaceAll(/[^\x21-\x7e]/g, "?")

/** The execution that a path names. */
export const executionIn = (route: string, path: string): string | undefined => {
  const place = route.split("/").indexOf(":executionId")
  const given = path.split("/")[place]
  return Schema.is(ExecutionId)(given) ? given : undefined
}

const lineOf = (
  { bytes, caller, executionId, method, ms, path, route, span, status }: Answered,
  timestamp: number
) => ({
  type: "request",
  timestamp,
  method,
  route,
  // What a known route has in its place may be a name of somebody's.
  ...(route === Instruments.other && { path: harmless(path) }),
  status,
  ms: Math.round(ms * 100) / 100,
  bytes,
  caller: caller ?? "none",
  ...(executionId !== undefined && { executionId }),
  traceId: span.traceId,
  spanId: span.spanId
})

/** Writes a request to stdout as a line of JSON: without its query, its headers and its body. */
export const write = (answered: Answered) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    process.stdout.write(`${Harmless.json(lineOf(answered, now))}\n`)
  })
