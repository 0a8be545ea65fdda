import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SandboxHardeningManager } from "@bulkhead/tool"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Rejection from "./Rejection.js"

/** An image that only says something to its programs. */
const greeting = () => {
  const directory = mkdtempSync(join(tmpdir(), "image-"))
  chmodSync(directory, 0o755)
  mkdirSync(join(directory, "root/opt/bulkhead"), { recursive: true })
  const manifest = { format: 1, env: { GREETING: "hello" } }
  writeFileSync(join(directory, "root/opt/bulkhead/image.json"), JSON.stringify(manifest))
  return directory
}

describe("on the embedded host, through the e2b SDK", () => {
  const manager = new SandboxHardeningManager({ killGracePeriod: 1 })
  const image = greeting()
  const env = {
    SANDBOX_BACKEND: "embedded",
    SANDBOX_IMAGES: `greeting=${image}`,
    SANDBOX_NETWORK_ALLOW: "pypi.org, *.example"
  }
  const execute = (code: string, more = {}) => manager.execute({ code, ...more }, { env, userId: "ann" })

  afterAll(async () => {
    await manager.close()
    rmSync(image, { recursive: true })
  })

  it("runs a program, with its files and its exit code", async () => {
    const code = "import sys; print(open('in.txt').read()); print('oh', file=sys.stderr); sys.exit(3)"
    const result = await execute(code, { files: [{ path: "in.txt", content: "six" }] })
    assert.deepInclude(result, {
      success: false,
      verdict: "NonZeroExit",
      stdout: "six\n",
      stderr: "oh\n",
      exitCode: 3
    })
    assert.deepInclude(result.error, { code: "RUNTIME_ERROR", category: "program", retryable: false })
    assert.deepInclude(result.receipt, { survivors: 0, sandboxDestroyed: true })
  })

  it("runs a program in an image of SANDBOX_IMAGES, and refuses one that is not there", async () => {
    const code = "import os; print(os.environ.get('GREETING'))"
    assert.deepInclude(await execute(code, { image: "greeting" }), { image: "greeting", stdout: "hello\n" })
    assert.deepInclude(await execute(code), { stdout: "None\n" })
    const { error } = await execute(code, { image: "other" })
    assert.deepInclude(error, { code: "INVALID_REQUEST", message: "image: expected one of greeting" })
  })

  it("holds programs to SANDBOX_NETWORK_ALLOW, and to less where a request says so", async () => {
    const code = "import os; print(os.environ.get('http_proxy'))"
    assert.deepInclude(await execute(code), {
      stdout: "http://127.0.0.1:3128\n",
      network: { mode: "filtered", allow: ["pypi.org", "*.example"], deny: [] }
    })
    assert.deepInclude(await execute(code, { network: { mode: "off" } }), {
      network: { mode: "off", allow: [], deny: [] }
    })
    const { error } = await execute(code, { network: { allow: ["github.com"] } })
    assert.deepInclude(error, { code: "PERMISSION_DENIED" })
    assert.match(
      String(error?.message),
      /^network\.allow\.0: expected at most what the operator allows: pypi\.org/
    )
  })

  it("ends a program that runs too long", async () => {
    const result = await execute("import time; print('begun', flush=True); time.sleep(60)", { timeout: 1 })
    assert.deepInclude(result, { success: false, verdict: "TimeLimitExceeded", stdout: "begun\n" })
    assert.deepInclude(result.error, { code: "EXECUTION_TIMEOUT" })
    assert.match(String(result.error?.message), /^Execution timeout/)
  })

  it("keeps what a program that another one started had printed", async () => {
    const code = `python3 -c "import time; print('progress 1'); time.sleep(60)"`
    const result = await execute(code, { language: "bash", timeout: 1 })
    assert.deepInclude(result, { verdict: "TimeLimitExceeded", stdout: "progress 1\n" })
  })

  it("takes programs as editors write them", async () => {
    const lines = ["\uFEFFx = 1", "print(x)", ""].join("\r\n")
    assert.deepInclude(await execute(lines), { verdict: "Completed", stdout: "1\n" })
    const script = ["\uFEFFx=a", "if [ $x = a ]; then", "  echo $x", "fi", ""].join("\r\n")
    assert.deepInclude(await execute(script, { language: "bash" }), { verdict: "Completed", stdout: "a\n" })
    const javascript = ["\uFEFFconst x = 1", "console.log(x)", ""].join("\r\n")
    assert.deepInclude(await execute(javascript, { language: "javascript" }), {
      verdict: "Completed",
      stdout: "1\n"
    })
    // Meant, since the other line ends without.
    const mixed = "printf '%s' 'a\r\nb'\n"
    assert.deepInclude(await execute(mixed, { language: "bash" }), { verdict: "Completed", stdout: "a\r\nb" })
  })

  it("kills a program whose caller aborts", async () => {
    const signal = AbortSignal.timeout(1000)
    const request = { code: "import time; time.sleep(60)" }
    const error = await Rejection.of(manager.execute(request, { env, userId: "bob", signal }))
    assert.strictEqual(error.name, "AbortError")
    const { items } = await manager.listExecutions({ userId: "bob" })
    const { result } = await manager.getExecution(items[0]?.executionId ?? "")
    assert.deepInclude(result, { verdict: "Killed" })
    assert.deepInclude(result?.receipt, { survivors: 0, sandboxDestroyed: true })
  })

  it("does not change to E2B's cloud", async () => {
    const { error } = await manager.execute({ code: "1" }, { env: { E2B_API_KEY: "e2b_test" } })
    assert.match(String(error?.message), /^E2B_API_KEY, SANDBOX_BACKEND: expected what the first/)
  })
})
