import { type SandboxFailure, SandboxProvider } from "@bulkhead/sandbox"
import { Context, Effect, Layer } from "effect"

type Provider = Context.Tag.Service<SandboxProvider>

const fallingBack = (first: Provider, second: Provider): Provider => ({
  name: `${first.name}, or else ${second.name}`,
  create: (options) => Effect.catchAll(first.create(options), () => second.create(options)),
  list: (metadata) => Effect.zipWith(first.list(metadata), second.list(metadata), (a, b) => [...a, ...b]),
  // To end what a provider does not know is no failure.
  kill: (id) => Effect.all([first.kill(id), second.kill(id)], { discard: true })
})

/** A provider that asks a second one for what the first cannot give. */
export const layer = <E1, E2>(
  first: Layer.Layer<SandboxProvider, E1>,
  second: Layer.Layer<SandboxProvider, E2>
): Layer.Layer<SandboxProvider, E1 | E2 | SandboxFailure> =>
  Layer.scoped(
    SandboxProvider,
    Effect.zipWith(Layer.build(first), Layer.build(second), (a, b) =>
      fallingBack(Context.get(a, SandboxProvider), Context.get(b, SandboxProvider))
    )
  )
