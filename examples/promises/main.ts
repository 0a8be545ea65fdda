import { hardenedExecuteCodeTool, sandboxHardening } from "@bulkhead/tool"

const env = { SANDBOX_BACKEND: "embedded" } // or a key of E2B's: { E2B_API_KEY: "e2b_..." }
const { stdout, verdict } = await hardenedExecuteCodeTool.execute({ code: "print(6 * 7)" }, env, "user_456")
console.log(verdict, stdout)
await sandboxHardening.close()
