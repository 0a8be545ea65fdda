import {
  anonymous,
  type ExecutionRequestInput,
  type ExecutionResult,
  executeCodeDescription,
  executeCodeName,
  executeCodeParameters,
  type ToolParameters
} from "@bulkhead/domain"
import type { Environment } from "./Environment.js"
import { type SandboxHardeningManager, sandboxHardening } from "./SandboxHardeningManager.js"

/** What an agent may say. Who asks is not for it to say. */
export type ExecuteCodeArguments = Omit<ExecutionRequestInput, "userId">

export type { ToolParameters }

export interface ToolCallOptions {
  /** When it aborts, the program is killed and its sandbox destroyed; then the promise is rejected (`AbortError`). */
  readonly signal?: AbortSignal | undefined
}

/** A tool as agents' registries want it. */
export interface HardenedExecuteCodeTool {
  readonly name: string
  /** For who decides whether to call it. */
  readonly description: string
  readonly parameters: ToolParameters
  /**
   * Runs a program for a user (`anonymous` unless told), with the settings of `env`: `E2B_API_KEY`, or
   * `SANDBOX_BACKEND=embedded`. Gives a result whatever came of it, also when it is refused.
   */
  execute(
    args: ExecuteCodeArguments,
    env?: Environment,
    userId?: string,
    options?: ToolCallOptions
  ): Promise<ExecutionResult>
}

/** The tool, on a manager of your own. */
export const makeHardenedExecuteCodeTool = (manager: SandboxHardeningManager): HardenedExecuteCodeTool => ({
  name: executeCodeName,
  description: executeCodeDescription,
  parameters: executeCodeParameters(),
  execute: (args, env, userId = anonymous, options = {}) =>
    manager.execute(args, { userId, env, signal: options.signal })
})

/** The tool on the ready-made manager, `sandboxHardening`. */
export const hardenedExecuteCodeTool: HardenedExecuteCodeTool = makeHardenedExecuteCodeTool(sandboxHardening)
