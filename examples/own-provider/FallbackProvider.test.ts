import { E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { MockSandboxProvider } from "@bulkhead/testing"
import { SandboxProviderConformance } from "@bulkhead/testing/conformance"
import { Effect, Layer } from "effect"
import * as FallbackProvider from "./FallbackProvider.js"

const Busy = MockSandboxProvider.layer({ create: MockSandboxProvider.failure("SANDBOX_BUSY", "create") })

const Embedded = Layer.unwrapEffect(
  Effect.map(EmbeddedHost, ({ apiKey, url }) =>
    E2BSandboxProvider.layer({ apiKey, apiUrl: url, sandboxUrl: url })
  )
).pipe(Layer.provide(EmbeddedHost.layer()))

// What the service expects of every provider, as tests.
SandboxProviderConformance.suite("a provider that falls back", FallbackProvider.layer(Busy, Embedded))
