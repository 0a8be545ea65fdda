import { Context, DefaultServices, Effect, Option, Tracer } from "effect"

/** What it is told is kept nowhere. */
const nativeTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Where the trace enters this program, or begins. */
const rootOf = (span: Tracer.AnySpan): Tracer.AnySpan =>
  span._tag === "Span" && Option.isSome(span.parent) ? rootOf(span.parent.value) : span

/** Whoever sent the request records it, or this program does. */
const isRecorded = (span: Tracer.AnySpan, tracer: Tracer.Tracer) => {
  const root = rootOf(span)
  const isKept = root._tag === "ExternalSpan" || tracer !== nativeTracer
  return isKept && span.sampled && root.sampled
}

/** The trace that this is done in. Nothing where nobody records it: its id would lead nowhere. */
export const current: Effect.Effect<{ readonly traceId?: string }> = Effect.gen(function* () {
  const tracer = yield* Effect.tracer
  const span = yield* Effect.option(Effect.currentParentSpan)
  return Option.isSome(span) && isRecorded(span.value, tracer) ? { traceId: span.value.traceId } : {}
})
