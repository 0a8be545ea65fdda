import { Option, Tracer } from "effect"

/**
 * The same span, but nobody is told of it: it is there for its ids, which are in the logs, and for those beneath it.
 */
const silenced = (span: Tracer.Span): Tracer.Span => ({
  ...span,
  _tag: "Span",
  sampled: false,
  end: () => undefined,
  attribute: () => undefined,
  event: () => undefined,
  addLinks: () => undefined
})

/** The part of all trace ids that is traced is the same on every server: W3C's lets the last 7 bytes be random. */
const isWithin = (traceId: string, ratio: number) =>
  Number.parseInt(traceId.slice(-13), 16) < ratio * 16 ** 13

/**
 * Tells `tracer` of requests and what they cause, but not of what the server does by itself. Who sends a request decides
 * by its `traceparent` whether it is traced; of those without, `ratio` are.
 */
export const of = (tracer: Tracer.Tracer, ratio: number): Tracer.Tracer => {
  const isTraced = (span: Tracer.Span) =>
    Option.match(span.parent, {
      onNone: () => span.kind === "server" && isWithin(span.traceId, ratio),
      onSome: ({ sampled }) => sampled
    })
  return Tracer.make({
    context: tracer.context,
    span: (name, parent, context, links, startTime, kind, options) => {
      const span = tracer.span(name, parent, context, links, startTime, kind, options)
      return isTraced(span) ? span : silenced(span)
    }
  })
}
