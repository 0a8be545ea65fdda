// A registry of tools, with the hardened one in it, and an agent's call that goes through it. Once the
// packages are built, `npm start` in this folder runs it.
import {
  type ExecutionResult,
  type HardenedExecuteCodeTool,
  hardenedExecuteCodeTool,
  sandboxHardening
} from "@bulkhead/tool"

class ToolRegistry {
  private readonly tools = new Map<string, HardenedExecuteCodeTool>()

  constructor() {
    this.tools.set("execute_code", hardenedExecuteCodeTool)
    // ... other tools
  }

  /** What an agent is told of the tools. */
  describe() {
    return [...this.tools.values()].map(({ description, name, parameters }) => ({
      name,
      description,
      parameters
    }))
  }

  /** An agent's call: its arguments are the JSON that it wrote. */
  call(name: string, args: string, env: object, userId: string): Promise<ExecutionResult> {
    const tool = this.tools.get(name)
    if (tool === undefined) throw new Error(`there is no tool '${name}'`)
    return tool.execute(JSON.parse(args), env, userId)
  }
}

// In E2B's cloud if there is a key, else on this machine.
const env = process.env.E2B_API_KEY ? process.env : { ...process.env, SANDBOX_BACKEND: "embedded" }
const userId = "user_456"
const registry = new ToolRegistry()

for (const { name, parameters } of registry.describe()) {
  console.log(`${name}(${Object.keys(parameters.properties).join(", ")})`)
}

const canStart = await sandboxHardening.canStartExecution(userId)
if (!canStart.allowed) console.log(`Cannot start: ${canStart.reason}`)

const call = JSON.stringify({ code: 'print("Hello, World!")', language: "python", timeout: 60 })
const { executionId, exitCode, metrics, stderr, stdout, success } = await registry.call(
  "execute_code",
  call,
  env,
  userId
)
console.log({ success, stdout, stderr, exitCode, retries: metrics.retries })

const logs = await sandboxHardening.getLogs(executionId)
for (const { event, level, message } of logs) console.log(`[${level}] ${event}: ${message}`)

const refused = await registry.call("execute_code", JSON.stringify({ language: "python" }), env, userId)
console.log(`${refused.error?.code}: ${refused.error?.message}`)

// Or the process would go on, for the next call.
await sandboxHardening.close()
