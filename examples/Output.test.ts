import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { format } from "node:util"
import { assert, describe, it, vi } from "@effect/vitest"

const here = import.meta.dirname

const names = readdirSync(here).filter((name) => existsSync(join(here, name, "main.ts")))

describe("the examples", () => {
  it.each(names)("print what they say they print: %s", { timeout: 60_000 }, async (name) => {
    // Sandboxes are on this machine.
    vi.stubEnv("E2B_API_KEY", "")
    const log = vi.spyOn(console, "log").mockImplementation(() => {})
    // Each is the only program of its process, elsewhere.
    vi.resetModules()
    await import(`./${name}/main.ts`)
    const printed = log.mock.calls.map((words) => `${format(...words)}\n`).join("")
    log.mockRestore()
    vi.unstubAllEnvs()
    assert.strictEqual(printed, readFileSync(join(here, name, "output.txt"), "utf8"))
  })
})
