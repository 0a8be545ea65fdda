import type * as Http from "node:http"
import { parseTraceParent } from "@bulkhead/domain"
import { Effect, Option, Tracer } from "effect"
import type { Match } from "./Routes.js"

const parentOf = ({ headers }: Http.IncomingMessage) =>
  Option.filter(parseTraceParent(String(headers.traceparent ?? "")), ({ sampled }) => sampled)

/**
 * Makes a request a span from its beginning to the end of its answer, if its `traceparent` says that it is recorded.
 * What it causes has no spans: they cost a sixth of the host's share of an execution, and programs could cause any
 * number.
 */
export const around = <A, E, R>(
  { id, name }: Match,
  message: Http.IncomingMessage,
  answering: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Option.match(parentOf(message), {
    onNone: () => answering,
    onSome: (parent) =>
      Effect.useSpan(
        `EmbeddedHost ${name}`,
        {
          parent: Tracer.externalSpan(parent),
          kind: "server",
          captureStackTrace: false,
          attributes: id === "" ? {} : { "bulkhead.sandbox.id": id }
        },
        (span) => Effect.withTracerEnabled(Effect.withParentSpan(answering, span), false)
      ).pipe(Effect.withTracerEnabled(true))
  })
