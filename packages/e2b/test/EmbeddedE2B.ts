import { E2BConfig } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { Duration, Effect, Layer } from "effect"

/** The real SDK, pointed at a real embedded host over HTTP. */
export const layer = Layer.unwrapEffect(
  Effect.map(EmbeddedHost, ({ apiKey, url }) => E2BConfig.layer({ apiKey, apiUrl: url, sandboxUrl: url }))
).pipe(Layer.provideMerge(EmbeddedHost.layer()))

export const options = { metadata: { executionId: "exec_test" }, lifetime: Duration.seconds(60) }
