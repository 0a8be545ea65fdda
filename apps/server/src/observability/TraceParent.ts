import { parseTraceParent } from "@bulkhead/domain"
import type { Headers } from "@effect/platform"
import { Option, Tracer } from "effect"

/**
 * The span that a request comes from, by its `traceparent`. No other header is read: the ids of B3 may be anything, and
 * a collector refuses all spans of a sending with one id that is none.
 */
export const of = (headers: Headers.Headers): Option.Option<Tracer.ExternalSpan> =>
  Option.map(parseTraceParent(headers.traceparent ?? ""), Tracer.externalSpan)
