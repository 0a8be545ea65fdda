import { spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, it } from "vitest"
import { programOf, runProgram } from "../compiled.mjs"
import { root } from "../project.mjs"

const directory = mkdtempSync(join(tmpdir(), "bulkhead-compiled-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const program = programOf(join(directory, "program.js"))
writeFileSync(
  program.path,
  "globalThis.loaded = [require('node:path').basename(__filename), process.argv.length]"
)

const compile = (words) =>
  spawnSync(process.execPath, [join(root, "scripts/compile.mjs"), join(directory, "program.js"), ...words])

it("a program runs with what was compiled of it", () => {
  assert.strictEqual(compile(["word"]).status, 0)
  assert.strictEqual(runProgram(program).cachedDataRejected, false)
  assert.deepStrictEqual(globalThis.loaded, ["program.cjs", process.argv.length])
})

it("a program runs without what another Node compiled, or none", () => {
  copyFileSync(program.path, program.compiled)
  assert.strictEqual(runProgram(program).cachedDataRejected, true)
  rmSync(program.compiled)
  assert.strictEqual(runProgram(program).cachedDataRejected, undefined)
})

it("a program that cannot be loaded is not compiled", () => {
  writeFileSync(program.path, "throw new Error('no')")
  assert.notStrictEqual(compile([]).status, 0)
})
