export type { Admissibility } from "./Admission.js"
export { ExecutionLog } from "./ExecutionLog.js"
export {
  type EndedExecution,
  type Entry,
  type ExecutionQuery,
  ExecutionStore,
  StoreFailure,
  type UsageQuery
} from "./ExecutionStore.js"
export { defaultLimits, Limits, LimitsSchema, type LimitValues, variableName } from "./Limits.js"
export {
  type CommandExit,
  type ListedSandbox,
  Sandbox,
  type SandboxCommand,
  SandboxFailure,
  type SandboxFile,
  type SandboxOptions,
  SandboxProvider
} from "./SandboxProvider.js"
export { type ExecuteOptions, type ExecutionFilter, SandboxService } from "./SandboxService.js"
export type { SupervisorReport } from "./SupervisorReport.js"
export { type Facts, type Runtime, Toolchain } from "./Toolchain.js"
