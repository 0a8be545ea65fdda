import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { replaceFile, root } from "../project.mjs"

const guest = join(root, "packages/guest/bin", `guest-${process.arch}`)

const pathOf = (command) =>
  spawnSync("sh", ["-c", `command -v ${command}`], { encoding: "utf8" }).stdout.trim()

describe("a file of the bundle", () => {
  it("is replaced while it runs", async () => {
    const directory = mkdtempSync(join(tmpdir(), "bulkhead-replace-"))
    const program = join(directory, "program")
    copyFileSync(pathOf("sleep"), program)
    const running = spawn(program, ["60"])
    try {
      await once(running, "spawn")
      replaceFile(guest, program)
      assert.isNull(running.exitCode)
      assert.isTrue(readFileSync(program).equals(readFileSync(guest)))
      assert.deepStrictEqual(readdirSync(directory), ["program"])
    } finally {
      running.kill()
      rmSync(directory, { recursive: true })
    }
  })
})
