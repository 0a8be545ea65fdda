import {
  anonymous,
  ExecutionRequest,
  type ExecutionRequestInput,
  type ExecutionResult,
  Language
} from "@bulkhead/domain"
import { JSONSchema, Schema } from "effect"
import type { Environment } from "./Environment.js"
import { type SandboxHardeningManager, sandboxHardening } from "./SandboxHardeningManager.js"

/** What an agent may say. Who asks is not for it to say. */
export type ExecuteCodeArguments = Omit<ExecutionRequestInput, "userId">

/** JSON Schema of a tool's arguments. */
export type ToolParameters = {
  type: "object"
  properties: Record<string, object>
  required: Array<string>
  additionalProperties: boolean
}

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

const { code, idempotencyKey: _key, language: _language, userId: _user, ...others } = ExecutionRequest.fields

const Arguments = Schema.Struct({
  code,
  language: Schema.optional(
    Language.annotations({ description: "What the program is written in; python unless told." })
  ),
  ...others
})

const parameters = (): ToolParameters => {
  const { properties, required } = JSONSchema.make(Arguments) as JSONSchema.JsonSchema7Object
  return { type: "object", properties, required, additionalProperties: false }
}

const description =
  "Runs a program in a fresh, isolated sandbox with hard limits on time, memory, processes and output. Answers with " +
  "`success`, `stdout`, `stderr`, `exitCode`, a `verdict` on how it ended, and an `error` when it did not succeed. " +
  "Nothing is kept between two programs."

/** The tool, on a manager of your own. */
export const makeHardenedExecuteCodeTool = (manager: SandboxHardeningManager): HardenedExecuteCodeTool => ({
  name: "execute_code",
  description,
  parameters: parameters(),
  execute: (args, env, userId = anonymous, options = {}) =>
    manager.execute(args, { userId, env, signal: options.signal })
})

/** The tool on the ready-made manager, `sandboxHardening`. */
export const hardenedExecuteCodeTool: HardenedExecuteCodeTool = makeHardenedExecuteCodeTool(sandboxHardening)
