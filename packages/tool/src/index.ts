export type { ExecutionEvent, ExecutionRecord, ExecutionResult, LimitValues } from "@bulkhead/domain"
export type { ProviderLayer } from "./Backend.js"
export type { Environment } from "./Environment.js"
export { type AiSdkTool, aiSdkTool } from "./formats/AiSdkTool.js"
export { type AnthropicTool, anthropicTool } from "./formats/AnthropicTool.js"
export type { FormatOptions } from "./formats/ModelCall.js"
export { type OpenAITool, type OpenAIToolOptions, openAITool } from "./formats/OpenAITool.js"
export {
  type ExecuteCodeArguments,
  type HardenedExecuteCodeTool,
  hardenedExecuteCodeTool,
  makeHardenedExecuteCodeTool,
  type ToolCallOptions,
  type ToolParameters
} from "./HardenedExecuteCodeTool.js"
export type { SomeLimits } from "./LimitSettings.js"
export { type ErrorName, SandboxHardeningError } from "./SandboxHardeningError.js"
export {
  type ExecuteOptions,
  type ListOptions,
  type ManagerOptions,
  SandboxHardeningManager,
  sandboxHardening
} from "./SandboxHardeningManager.js"
