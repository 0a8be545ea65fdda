import { Readiness } from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import { Data, Schema } from "effect"

export const Health = Schema.Struct({
  status: Schema.Literal("ok").annotations({ description: "The only word for it." })
}).annotations({
  identifier: "Health",
  description: "The server answers"
})
export type Health = typeof Health.Type

const ReadinessBody = Readiness.annotations({ identifier: "Readiness" })

/** 503: new work cannot be done at present. */
export class NotReady extends Data.TaggedError("NotReady")<{ readonly readiness: Readiness }> {
  override get message() {
    return this.readiness.reason ?? "New work cannot be done at present"
  }

  static readonly answer = Schema.transform(ReadinessBody, Schema.instanceOf(NotReady), {
    strict: true,
    decode: (readiness) => new NotReady({ readiness }),
    encode: ({ readiness }) => readiness
  }).annotations(
    HttpApiSchema.annotations({ status: 503, description: "New work cannot be done at present" })
  )
}

/** What watches the server's life. */
export const HealthApi = HttpApiGroup.make("health", { topLevel: true })
  .add(
    HttpApiEndpoint.get("health", "/health")
      .addSuccess(Health)
      .annotate(OpenApi.Summary, "Whether the server lives")
      .annotate(OpenApi.Description, "For what starts a server anew that does not answer. Asks nobody else.")
  )
  .add(
    HttpApiEndpoint.get("ready", "/ready")
      .addSuccess(ReadinessBody)
      .addError(NotReady.answer)
      .annotate(OpenApi.Summary, "Whether the server can do new work")
      .annotate(
        OpenApi.Description,
        "For what sends it work: 503 while it shuts down, and while its sandboxes' provider or its database is down."
      )
  )
