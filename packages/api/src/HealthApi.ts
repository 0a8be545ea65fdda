import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"

export const Health = Schema.Struct({ status: Schema.Literal("ok") }).annotations({
  identifier: "Health",
  description: "The server answers"
})
export type Health = typeof Health.Type

/** What watches the server's life. */
export const HealthApi = HttpApiGroup.make("health", { topLevel: true }).add(
  HttpApiEndpoint.get("health", "/health")
    .addSuccess(Health)
    .annotate(OpenApi.Summary, "Whether the server lives")
)
