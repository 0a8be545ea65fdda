import { type NetworkControl, SandboxProvider } from "@bulkhead/sandbox"
import { Sandbox as SdkSandbox } from "e2b"
import { type Context, Effect, Layer, Option, Stream } from "effect"
import { E2BConfig, type E2BOptions } from "./E2BConfig.js"
import * as E2BSandbox from "./E2BSandbox.js"
import * as NetworkWire from "./NetworkWire.js"
import * as SecretRules from "./SecretRules.js"

type Config = Context.Tag.Service<E2BConfig>

const controlOf = ({ internetAccess, network }: Config): NetworkControl => {
  const control = NetworkWire.controls[network]
  return internetAccess ? control : { ...control, defaultMode: "off" }
}

const list = (config: Config) =>
  Effect.fn("E2BSandboxProvider.list")((metadata: Readonly<Record<string, string>>) =>
    Effect.suspend(() => {
      const pages = SdkSandbox.list({
        ...E2BSandbox.connectionOf(config),
        query: { metadata: { ...metadata } }
      })
      return Stream.paginateEffect(undefined, () =>
        Effect.map(
          E2BSandbox.attemptApi(config, "list", (options) => pages.nextItems(options)),
          (page) => [page, pages.hasNext ? Option.some(undefined) : Option.none()] as const
        )
      ).pipe(Stream.runCollect)
    }).pipe(
      Effect.map((pages) =>
        [...pages].flat().map(({ sandboxId, metadata }) => ({ id: sandboxId, metadata: metadata ?? {} }))
      )
    )
  )

const kill = (config: Config) =>
  Effect.fn("E2BSandboxProvider.kill")((sandboxId: string) => E2BSandbox.kill(config, sandboxId))

/**
 * Sandboxes from E2B's cloud, or from any host that speaks its API. What such a host can say of itself is `health`, and
 * `gpus` that it gives to whom the metadata `bulkhead_gpus` asks for; E2B has none.
 */
export const layer = (
  options: E2BOptions,
  { gpus, health }: Pick<SandboxProvider["Type"], "gpus" | "health"> = {}
): Layer.Layer<SandboxProvider> =>
  Layer.effect(
    SandboxProvider,
    Effect.map(E2BConfig, (config) => ({
      name: config.name,
      create: (options) => Effect.provideService(E2BSandbox.create(options), E2BConfig, config),
      list: list(config),
      kill: kill(config),
      network: controlOf(config),
      secrets: { flawOf: SecretRules.flawOf(config.network) },
      ...(gpus && { gpus }),
      ...(health && { health })
    }))
  ).pipe(Layer.provide(E2BConfig.layer(options)))
