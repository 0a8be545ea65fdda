import type { McpMetrics } from "@bulkhead/domain"
import { Context, Effect, Layer, type Option, Ref, type Scope } from "effect"

/** How much MCP is used, as whoever serves it tells those who show metrics. Default: nobody serves it. */
export class McpUse extends Context.Reference<McpUse>()("@bulkhead/http/McpUse", {
  defaultValue: (): {
    /** None: it is not served. */
    readonly metrics: Effect.Effect<Option.Option<McpMetrics>>
    /** One more client, or one less. */
    readonly changeSessions: (by: 1 | -1) => Effect.Effect<void>
    /** A request, until its scope closes. */
    readonly request: Effect.Effect<void, never, Scope.Scope>
  } => ({
    metrics: Effect.succeedNone,
    changeSessions: () => Effect.void,
    request: Effect.void
  })
}) {}

/** Counts from the start of the server. */
export const layer: Layer.Layer<McpUse> = Layer.effect(
  McpUse,
  Effect.map(Ref.make<McpMetrics>({ sessions: 0, activeRequests: 0, requests: 0 }), (counts) =>
    McpUse.of({
      metrics: Effect.asSome(Ref.get(counts)),
      changeSessions: (by) => Ref.update(counts, (now) => ({ ...now, sessions: now.sessions + by })),
      request: Effect.asVoid(
        Effect.acquireRelease(
          Ref.update(counts, (now) => ({
            ...now,
            activeRequests: now.activeRequests + 1,
            requests: now.requests + 1
          })),
          () => Ref.update(counts, (now) => ({ ...now, activeRequests: now.activeRequests - 1 }))
        )
      )
    })
  )
)
