import type { ToolParameters } from "@bulkhead/domain"
import { hardenedExecuteCodeTool, type ToolCallOptions } from "../HardenedExecuteCodeTool.js"
import * as ModelCall from "./ModelCall.js"

export interface AnthropicTool {
  /** For `tools` of the Messages API. */
  readonly tool: {
    readonly name: string
    readonly description: string
    readonly input_schema: ToolParameters
  }
  /**
   * Runs a `tool_use` block's `input`. Gives the rest of the `tool_result` block that answers it, beside `type` and
   * `tool_use_id`: the text, JSON, and whether the tool itself failed. A program that fails is no failure of the tool.
   * What is wrong with the input is in it too. Rejects only when the signal aborts.
   */
  readonly execute: (
    input: unknown,
    options?: ToolCallOptions
  ) => Promise<{ content: string; is_error: boolean }>
}

/** The tool in Anthropic's format, and what runs its calls. */
export const anthropicTool = (options: ModelCall.FormatOptions = {}): AnthropicTool => {
  const { description, name, parameters } = options.tool ?? hardenedExecuteCodeTool
  return {
    tool: { name, description, input_schema: parameters },
    execute: async (input, call) => {
      const { isError, text } = ModelCall.asText(await ModelCall.run(options, input, call))
      return { content: text, is_error: isError }
    }
  }
}
