import type { Headers } from "@effect/platform"
import { Option, Tracer } from "effect"

/** Of any version; what a later one adds at the end is left out. */
const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

const isZero = (id: string) => /^0+$/.test(id)

/**
 * The span that a request comes from, by its `traceparent`, as W3C's Trace Context has it. What is malformed counts as
 * absent. No other header is read: the ids of B3 may be anything, and a collector refuses all spans of a sending with
 * one id that is none.
 */
export const of = (headers: Headers.Headers): Option.Option<Tracer.ExternalSpan> => {
  const [, version, traceId = "", spanId = "", flags = "", rest] = form.exec(headers.traceparent ?? "") ?? []
  const isWrong =
    version === undefined ||
    version === "ff" ||
    (version === "00" && rest !== undefined) ||
    isZero(traceId) ||
    isZero(spanId)
  if (isWrong) return Option.none()
  const sampled = (Number.parseInt(flags, 16) & 1) === 1
  return Option.some(Tracer.externalSpan({ traceId, spanId, sampled }))
}
