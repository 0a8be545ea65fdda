import { Option } from "effect"

/** The span that a request comes from, as W3C's Trace Context has it. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  /** Whether whoever sent it records the trace. */
  readonly sampled: boolean
}

/** Of any version; what a later one adds at the end is left out. */
const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

const isZero = (id: string) => /^0+$/.test(id)

/** Reads the header `traceparent`. What is malformed counts as absent. */
export const parseTraceParent = (text: string): Option.Option<TraceParent> => {
  const [, version, traceId = "", spanId = "", flags = "", rest] = form.exec(text) ?? []
  const isWrong =
    version === undefined ||
    version === "ff" ||
    (version === "00" && rest !== undefined) ||
    isZero(traceId) ||
    isZero(spanId)
  if (isWrong) return Option.none()
  return Option.some({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}

/** The header `traceparent` for what a span asks of others. */
export const formatTraceParent = ({ sampled, spanId, traceId }: TraceParent): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
