import type { McpMetrics } from "@bulkhead/domain"
import { Context, Effect, Layer, Ref, type Scope } from "effect"

const unused: McpMetrics = { sessions: 0, activeRequests: 0, requests: 0 }

/** How much MCP is used, as whoever serves it tells those who show metrics. Default: nobody serves it. */
export class McpUse extends Context.Reference<McpUse>()("@bulkhead/http/McpUse", {
  defaultValue: (): {
    readonly isServed: boolean
    readonly metrics: Effect.Effect<McpMetrics>
    /** One more client, or one less. */
    readonly changeSessions: (by: 1 | -1) => Effect.Effect<void>
    /** A request, until its scope closes. */
    readonly request: Effect.Effect<void, never, Scope.Scope>
  } => ({
    isServed: false,
    metrics: Effect.succeed(unused),
    changeSessions: () => Effect.void,
    request: Effect.void
  })
}) {}

/** Counts from the start of the server. */
export const layer: Layer.Layer<McpUse> = Layer.effect(
  McpUse,
  Effect.map(Ref.make(unused), (counts) =>
    McpUse.of({
      isServed: true,
      metrics: Ref.get(counts),
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
