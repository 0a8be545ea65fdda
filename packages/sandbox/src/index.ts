export { type Admissibility, Admission, type Admittee } from "./Admission.js"
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
export {
  type EndedExecution,
  type Entry,
  type EventQuery,
  type ExecutionQuery,
  ExecutionStore,
  StoreFailure,
  type UsageQuery
} from "./ExecutionStore.js"
export * as FileArtifactStore from "./FileArtifactStore.js"
export type { HeldSandbox } from "./HeldSandbox.js"
export { type Claim, IdempotencyKeys } from "./IdempotencyKeys.js"
export { Instance } from "./Instance.js"
export { type KillRequest, KillSwitch } from "./KillSwitch.js"
export { defaultLimits, Limits, type LimitValues, variableName } from "./Limits.js"
export * as MemoryExecutionStore from "./MemoryExecutionStore.js"
export { Prices, type PriceValues } from "./Prices.js"
export { Sandboxes } from "./Sandboxes.js"
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
} from "./SandboxProvider.js"
export { type ExecuteOptions, SandboxService } from "./SandboxService.js"
export type { SupervisorReport } from "./SupervisorReport.js"
export * as SupervisorScript from "./SupervisorScript.js"
export * as Timers from "./Timers.js"
export { type Facts, type Runtime, Toolchain } from "./Toolchain.js"
