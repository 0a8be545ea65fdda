import { McpUse } from "@bulkhead/http"
import { SandboxService } from "@bulkhead/sandbox"
import { Context, Effect, Layer } from "effect"
import * as Prometheus from "./Prometheus.js"
import * as SystemSamples from "./SystemSamples.js"

/** What is measured, as Prometheus reads it. */
export class Exposition extends Context.Tag("@bulkhead/server/Exposition")<
  Exposition,
  { readonly text: Effect.Effect<string> }
>() {
  static readonly layer = Layer.effect(
    Exposition,
    Effect.gen(function* () {
      const { getSystemMetrics, limits } = yield* SandboxService
      const { isServed, metrics: use } = yield* McpUse.McpUse
      const expose = yield* Prometheus.make
      return {
        text: Effect.gen(function* () {
          const now = yield* getSystemMetrics
          const mcp = isServed ? { mcp: yield* use } : {}
          return yield* expose(SystemSamples.of({ ...now, ...mcp }, yield* limits))
        })
      }
    })
  )
}
