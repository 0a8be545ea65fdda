import { SandboxProvider } from "@bulkhead/sandbox"
import { Context, Effect, Layer } from "effect"
import { E2BConfig, type E2BOptions } from "./E2BConfig.js"
import * as E2BSandbox from "./E2BSandbox.js"

/** Sandboxes from E2B's cloud, or from any host that speaks its API. */
export const layer = (options: E2BOptions): Layer.Layer<SandboxProvider> =>
  Layer.effect(
    SandboxProvider,
    Effect.map(E2BConfig, (config) => ({
      name: config.name,
      sandbox: (sandbox) =>
        Layer.provide(E2BSandbox.layer(sandbox), Layer.succeedContext(Context.make(E2BConfig, config)))
    }))
  ).pipe(Layer.provide(E2BConfig.layer(options)))
