export { type Admissibility, Admission, type Admittee } from "./Admission/Admission.js"
export { GpuSupply } from "./Admission/GpuSupply.js"
export {
  ArtifactCollector,
  type CollectedArtifacts,
  type CollectOptions,
  type FoundArtifact,
  type OwnFiles
} from "./ArtifactCollector.js"
export { type AnalyzedCode, type CodeAnalysis, CodeAnalyzer } from "./CodeAnalyzer.js"
export { LiveExecutions } from "./Execution/LiveExecutions.js"
export { type ExecutionsElsewhere, OwnExecutions, Peers } from "./Execution/OwnExecutions.js"
export { Replicas } from "./Execution/Replicas.js"
export { UserInstruments } from "./Instruments/ExecutionInstruments.js"
export * as Instruments from "./Instruments/Labelled.js"
export { KeptSecrets } from "./KeptSecrets.js"
export { defaultLimits, Limits, type LimitValues, variableName } from "./Limits.js"
export { LimitsInForce } from "./LimitsInForce.js"
export * as MemoryUploads from "./MemoryUploads.js"
export * as NetworkBound from "./NetworkBound.js"
export { describePolicy, type NetworkFlaw, NetworkRules, narrow } from "./NetworkRules.js"
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
export { type ImagePlaces, Images } from "./Sandboxes/Images.js"
export { InstanceName } from "./Sandboxes/InstanceName.js"
export { LifeName } from "./Sandboxes/LifeName.js"
export {
  CommandEvent,
  type CommandEvents,
  type CommandExit,
  type CommandOutput,
  type ListedSandbox,
  type NetworkControl,
  type ProviderHealth,
  Sandbox,
  type SandboxCommand,
  SandboxFailure,
  type SandboxFile,
  type SandboxOptions,
  SandboxProvider,
  type SandboxSize,
  type SecretControl
} from "./Sandboxes/SandboxProvider.js"
export type { SandboxSecret } from "./Sandboxes/SandboxSecret.js"
export { type SandboxObserver, SandboxSupply } from "./Sandboxes/SandboxSupply.js"
export { type Runtime, Toolchain, type ToolchainFacts } from "./Sandboxes/Toolchain.js"
export {
  type BegunExecution,
  type ExecuteOptions,
  SandboxService,
  type UpdatesOptions
} from "./SandboxService.js"
export * as SteadyClock from "./SteadyClock.js"
export { GuestProgram } from "./Supervision/GuestProgram.js"
export type { GuestReport } from "./Supervision/GuestReport.js"
export type { KillRequest } from "./Supervision/KillSwitch.js"
export { ExecutionUpdates } from "./Updates/ExecutionUpdates.js"
export { type HeldUpload, type StagedUpload, UploadFailure, Uploads } from "./Uploads.js"
export * as Announcement from "./Webhooks/Announcement.js"
export {
  type DueQuery,
  type MessageQuery,
  mostFailed,
  mostPending,
  Outbox,
  type Outcome,
  type OutgoingMessage
} from "./Webhooks/Outbox.js"
export { UserWebhooks } from "./Webhooks/UserWebhooks.js"
export { Webhooks } from "./Webhooks/Webhooks.js"
