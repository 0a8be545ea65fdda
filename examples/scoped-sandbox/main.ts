// A bare sandbox, of whose programs nobody takes care. However the scope ends, the sandbox is destroyed.
import { E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { Sandbox } from "@bulkhead/sandbox"
import { Console, Duration, Effect, Layer } from "effect"

const Provider = Layer.unwrapEffect(
  Effect.map(EmbeddedHost, ({ apiKey, url }) =>
    E2BSandboxProvider.layer({ apiKey, apiUrl: url, sandboxUrl: url, network: "none" })
  )
).pipe(Layer.provide(EmbeddedHost.layer()))

const One = Sandbox.layer({ metadata: { purpose: "a look" }, lifetime: Duration.minutes(1) })

const look = Sandbox.output({ line: "id -un", env: {}, lifetime: Duration.seconds(10) }).pipe(
  Effect.flatMap(({ stdout }) => Console.log(stdout.trim()))
)

await look.pipe(Effect.provide(One), Effect.provide(Provider), Effect.runPromise)
