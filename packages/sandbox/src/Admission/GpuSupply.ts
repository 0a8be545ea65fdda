import type { Gpus } from "@bulkhead/domain"
import { Context } from "effect"

/** The GPUs that executions can be given, by their kinds. Default: none. `SandboxService.layer` asks the provider. */
export class GpuSupply extends Context.Reference<GpuSupply>()("@bulkhead/sandbox/GpuSupply", {
  defaultValue: (): ReadonlyArray<Gpus> => []
}) {}
