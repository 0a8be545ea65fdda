import type { ToolParameters } from "@bulkhead/domain"
import { hardenedExecuteCodeTool, type ToolCallOptions } from "../HardenedExecuteCodeTool.js"
import * as ModelCall from "./ModelCall.js"
import * as StrictParameters from "./StrictParameters.js"

export interface OpenAIToolOptions extends ModelCall.FormatOptions {
  /**
   * Whether the model's arguments must follow the schema (OpenAI's structured outputs). All parameters are required
   * then, null stands for what is left out, and `env` is a list of names and values. False unless told.
   */
  readonly strict?: boolean | undefined
}

interface OpenAIFunction {
  readonly name: string
  readonly description: string
  readonly parameters: ToolParameters
  readonly strict: boolean
}

export interface OpenAITool {
  /** For `tools` of the Chat Completions API. */
  readonly chatTool: { readonly type: "function"; readonly function: OpenAIFunction }
  /** For `tools` of the Responses API. */
  readonly responsesTool: { readonly type: "function" } & OpenAIFunction
  /**
   * Runs a call by its `arguments`, the text as the model wrote it. Gives the text of the answer, JSON: the `content` of
   * a message of the role `tool`, or the `output` of a `function_call_output`. What is wrong with the arguments is in
   * it too. Rejects only when the signal aborts.
   */
  readonly execute: (args: unknown, options?: ToolCallOptions) => Promise<string>
}

/** The tool in OpenAI's function format, and what runs its calls. */
export const openAITool = ({ strict = false, ...options }: OpenAIToolOptions = {}): OpenAITool => {
  const { description, name, parameters } = options.tool ?? hardenedExecuteCodeTool
  const definition: OpenAIFunction = {
    name,
    description,
    parameters: strict ? StrictParameters.of(parameters) : parameters,
    strict
  }
  return {
    chatTool: { type: "function", function: definition },
    responsesTool: { type: "function", ...definition },
    execute: async (args, call) => ModelCall.asText(await ModelCall.run(options, args, call)).text
  }
}
