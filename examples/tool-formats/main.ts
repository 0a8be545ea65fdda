// The same tool as OpenAI, Anthropic and the AI SDK define tools, and a call of each. Once the packages are built,
// `npm start` in this folder runs it.
import { aiSdkTool, anthropicTool, openAITool, sandboxHardening } from "@bulkhead/tool"

// In E2B's cloud if there is a key, else on this machine.
const env = process.env.E2B_API_KEY ? process.env : { ...process.env, SANDBOX_BACKEND: "embedded" }
const options = { env, userId: "user_456" }

// OpenAI: `tools: [chatTool]`; what it answers is the `content` of a message of the role `tool`.
const { chatTool, execute: callOpenAI } = openAITool({ ...options, strict: true })
console.log(chatTool.function.name, chatTool.function.parameters.required.join(" "))
const call = {
  arguments: '{"code":"print(6 * 7)","language":null,"timeout":60,"env":[{"name":"A","value":"1"}]}'
}
const content = await callOpenAI(call.arguments)
console.log(JSON.parse(content).stdout)

// Anthropic: `tools: [tool]`; what it answers is a `tool_result`.
const { execute: callAnthropic, tool } = anthropicTool(options)
const block = { id: "toolu_1", input: { code: "import sys; sys.exit('no')" } }
const result = { type: "tool_result", tool_use_id: block.id, ...(await callAnthropic(block.input)) }
console.log(tool.name, result.is_error, JSON.parse(result.content).verdict)

// AI SDK: `tools: { execute_code: tool(aiSdkTool(jsonSchema<ExecuteCodeArguments>)) }`, with `tool` and `jsonSchema`
// of the package `ai`; the SDK itself calls it.
const { execute: callAiSdk } = aiSdkTool((schema) => schema, options)
const { error } = await callAiSdk({ code: "" })
console.log(`${error?.code}: ${error?.message}`)

// Or the process would go on, for the next call.
await sandboxHardening.close()
