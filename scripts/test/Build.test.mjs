import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, it } from "vitest"
import { root } from "../project.mjs"

const clone = mkdtempSync(join(tmpdir(), "bulkhead-build-"))
afterAll(() => rmSync(clone, { recursive: true, force: true }))

it("a build in a fresh clone begins with the dependencies", () => {
  for (const path of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "scripts"])
    cpSync(join(root, path), join(clone, path), { recursive: true })
  // Stands in for npx, so that nothing is installed: says what it is asked for, and fails.
  const commands = join(clone, "commands")
  mkdirSync(commands)
  writeFileSync(join(commands, "npx"), '#!/bin/sh\necho "asked for: $*" >&2; exit 1\n', { mode: 0o755 })
  const { status, stderr, stdout } = spawnSync("npm", ["run", "build"], {
    cwd: clone,
    env: { ...process.env, PATH: `${commands}:${process.env.PATH}` },
    encoding: "utf8"
  })
  assert.include(stdout, "This will install:\n  - dependencies, into node_modules")
  assert.match(stderr, /asked for: --yes pnpm@\S+ install --frozen-lockfile/)
  assert.strictEqual(status, 1)
})
