import { E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { Sandbox, SandboxService } from "@bulkhead/sandbox"
import { Console, Duration, Effect, Layer } from "effect"

const Provider = Layer.unwrapEffect(
  Effect.map(EmbeddedHost, ({ apiKey, url }) =>
    E2BSandboxProvider.layer({ apiKey, apiUrl: url, sandboxUrl: url })
  )
).pipe(Layer.provide(EmbeddedHost.layer()))

const Sandboxes = SandboxService.layer({ maxTimeout: 1800, maxConcurrentSandboxes: 100 }).pipe(
  Layer.provide(Provider)
)

const program = Effect.gen(function* () {
  const sandboxes = yield* SandboxService
  const result = yield* sandboxes.execute({ code: "print(6 * 7)", language: "python", timeout: 60 })
  yield* Effect.log(result.verdict, result.stdout)
})

await Effect.runPromise(Effect.provide(program, Sandboxes))

// A bare sandbox, of whose programs nobody takes care, is a scoped layer: however the scope ends, the sandbox is destroyed.
const One = Sandbox.layer({ metadata: { purpose: "a look" }, lifetime: Duration.minutes(1) })

const look = Sandbox.output({ line: "id -un", env: {}, lifetime: Duration.seconds(10) }).pipe(
  Effect.flatMap(({ stdout }) => Console.log(stdout))
)

await Effect.runPromise(look.pipe(Effect.provide(One), Effect.provide(Provider)))
