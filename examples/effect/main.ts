import { E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { SandboxService } from "@bulkhead/sandbox"
import { Console, Effect, Layer } from "effect"

const Provider = Layer.unwrapEffect(
  Effect.map(EmbeddedHost, ({ apiKey, url }) =>
    E2BSandboxProvider.layer({ apiKey, apiUrl: url, sandboxUrl: url, network: "none" })
  )
).pipe(Layer.provide(EmbeddedHost.layer()))

const Sandboxes = SandboxService.layer({ maxTimeout: 1800 }).pipe(Layer.provide(Provider))

const program = Effect.gen(function* () {
  const sandboxes = yield* SandboxService
  const { stdout, verdict } = yield* sandboxes.execute({ code: "print(6 * 7)", timeout: 60 })
  yield* Console.log(verdict, stdout)
})

await Effect.runPromise(Effect.provide(program, Sandboxes))
