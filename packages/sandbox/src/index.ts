export { type Admissibility, Admission, type Admittee } from "./Admission/Admission.js"
export { ArtifactCollector, type CollectedArtifacts, type CollectOptions } from "./ArtifactCollector.js"
export { type KillRequest, KillSwitch } from "./Execution/KillSwitch.js"
export { defaultLimits, Limits, type LimitValues, variableName } from "./Limits.js"
export {
  type EndedExecution,
  type Entry,
  type EventQuery,
  type ExecutionQuery,
  ExecutionStore,
  StoreFailure,
  type UsageQuery
} from "./Record/ExecutionStore.js"
export { type Claim, IdempotencyKeys } from "./Record/IdempotencyKeys.js"
export * as MemoryExecutionStore from "./Record/MemoryExecutionStore.js"
export { Prices, type PriceValues } from "./Record/Prices.js"
export type { HeldSandbox } from "./Sandboxes/HeldSandbox.js"
export { Instance } from "./Sandboxes/InstanceName.js"
export {
  type CommandExit,
  type ListedSandbox,
  Sandbox,
  type SandboxCommand,
  SandboxFailure,
  type SandboxFile,
  type SandboxOptions,
  SandboxProvider,
  type SandboxSize
} from "./Sandboxes/SandboxProvider.js"
export { Sandboxes } from "./Sandboxes/SandboxSupply.js"
export { type Facts, type Runtime, Toolchain } from "./Sandboxes/Toolchain.js"
export { type ExecuteOptions, SandboxService } from "./SandboxService.js"
export type { SupervisorReport } from "./Supervision/GuestReport.js"
export * as SupervisorScript from "./Supervision/GuestScript.js"
export * as Timers from "./Timers.js"
