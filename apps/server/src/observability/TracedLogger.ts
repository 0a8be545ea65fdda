import { Harmless } from "@bulkhead/domain"
import { Context, FiberRef, FiberRefs, Inspectable, Logger, Option, Tracer } from "effect"

/** The span that is logged in. */
const spanIn = (context: FiberRefs.FiberRefs) =>
  Context.getOption(FiberRefs.getOrDefault(context, FiberRef.currentContext), Tracer.ParentSpan)

const idsOf = ({ spanId, traceId }: Tracer.AnySpan) => ({ traceId, spanId })

/** Lines of JSON, with the ids of the trace and the span that they belong to. */
export const json = Logger.make<unknown, string>((options) =>
  Harmless.escapedJson(
    Inspectable.stringifyCircular({
      ...Logger.structuredLogger.log(options),
      ...Option.match(spanIn(options.context), { onNone: () => ({}), onSome: idsOf })
    })
  )
)
