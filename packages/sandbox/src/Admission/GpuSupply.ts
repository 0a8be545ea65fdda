import type { Gpus } from "@bulkhead/domain"
import { Context, Effect, Layer } from "effect"
import { SandboxProvider } from "../Sandboxes/SandboxProvider.js"

/**
 * The GPUs that executions can be given, by their kinds. Default: none. What is there is looked up whenever it matters,
 * so more may come.
 */
export class GpuSupply extends Context.Reference<GpuSupply>()("@bulkhead/sandbox/GpuSupply", {
  defaultValue: (): ReadonlyArray<Gpus> => []
}) {
  /** What the provider has. */
  static readonly layer: Layer.Layer<GpuSupply, never, SandboxProvider> = Layer.effect(
    GpuSupply,
    Effect.map(SandboxProvider, ({ gpus = [] }) => gpus)
  )
}
