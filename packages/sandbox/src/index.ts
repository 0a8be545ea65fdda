export { type Admissibility, Admission, type Admittee } from "./Admission/Admission.js"
export {
  ArtifactGate,
  type CollectedArtifacts,
  type CollectOptions,
  defaultOutputDir
} from "./ArtifactGate.js"
export { type ArtifactKind, defaultWhitelist, mediaTypeOf, type Whitelist } from "./ArtifactPolicy.js"
export { ArtifactScanner, ScanFailure, type ScanVerdict } from "./ArtifactScanner.js"
export {
  type ArtifactRange,
  ArtifactStore,
  ArtifactStoreFailure,
  type StagedArtifact,
  type StoredArtifact
} from "./ArtifactStore.js"
export { type KillRequest, KillSwitch } from "./Execution/KillSwitch.js"
export * as FileArtifactStore from "./FileArtifactStore.js"
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
export { GuestProgram } from "./Supervision/GuestProgram.js"
export type { SupervisorReport } from "./Supervision/GuestReport.js"
export * as Timers from "./Timers.js"
