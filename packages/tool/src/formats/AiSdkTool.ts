import type { ExecutionResult, ToolParameters } from "@bulkhead/domain"
import { type ExecuteCodeArguments, hardenedExecuteCodeTool } from "../HardenedExecuteCodeTool.js"
import * as ModelCall from "./ModelCall.js"

export interface AiSdkTool<InputSchema> {
  readonly description: string
  readonly inputSchema: InputSchema
  /**
   * Runs a call, and gives its result whatever came of it. Rejects only when the AI SDK's signal aborts.
   */
  readonly execute: (
    input: ExecuteCodeArguments,
    options?: { readonly abortSignal?: AbortSignal | undefined }
  ) => Promise<ExecutionResult>
}

/**
 * The tool for the AI SDK: `tools: { execute_code: tool(aiSdkTool(jsonSchema<ExecuteCodeArguments>)) }`, with `tool` and
 * `jsonSchema` from the package `ai`.
 */
export const aiSdkTool = <InputSchema>(
  jsonSchema: (schema: ToolParameters) => InputSchema,
  options: ModelCall.FormatOptions = {}
): AiSdkTool<InputSchema> => {
  const { description, parameters } = options.tool ?? hardenedExecuteCodeTool
  return {
    description,
    inputSchema: jsonSchema(parameters),
    execute: (input, { abortSignal } = {}) => ModelCall.run(options, input, { signal: abortSignal })
  }
}
