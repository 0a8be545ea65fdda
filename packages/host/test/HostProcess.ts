import { EmbeddedHost } from "@bulkhead/host"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"

// A host in a process of its own, for the tests that end it.
const announce = Layer.effectDiscard(
  Effect.flatMap(EmbeddedHost, ({ apiKey, isolation, url }) =>
    Console.log(JSON.stringify({ url, apiKey: Redacted.value(apiKey), isolation }))
  )
)

NodeRuntime.runMain(
  Layer.launch(Layer.provide(announce, EmbeddedHost.layer(JSON.parse(process.argv[2] ?? "{}")))),
  {
    disableErrorReporting: true
  }
)
