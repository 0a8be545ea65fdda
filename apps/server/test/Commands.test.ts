import { spawnSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const root = fileURLToPath(new URL("../../..", import.meta.url))

const commands = Object.keys(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts)

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "bulkhead-commands-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const writeProgram = (path: string, lines: ReadonlyArray<string>) => {
  writeFileSync(path, ["#!/bin/sh", ...lines, ""].join("\n"))
  chmodSync(path, 0o755)
}

const run = (cwd: string, path: string, ...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, args, {
    cwd,
    env: { PATH: path },
    encoding: "utf8",
    timeout: 60_000
  })
  return { status, stderr, stdout }
}

const searchPath = process.env.PATH ?? ""

describe("the commands", () => {
  it("are named as they work on a fresh machine, where there is no pnpm", () => {
    const scripts = readdirSync(join(root, "scripts")).filter((name) => name.endsWith(".mjs"))
    const texts = ["README.md", "CONTRIBUTING.md", ...scripts.map((name) => join("scripts", name))]
    for (const name of texts) {
      const text = readFileSync(join(root, name), "utf8")
      assert.notMatch(text, new RegExp(`\\bpnpm (run )?(${commands.join("|")})\\b`), name)
      for (const [, command = ""] of text.matchAll(/npm run ([\w:-]+)/g)) assert.include(commands, command)
    }
  })

  for (const name of ["simulate", "crash", "release"]) {
    it(`say how they are used: ${name}`, () => {
      const { status, stderr } = run(root, searchPath, `scripts/${name}.mjs`, "--no-such-option")
      assert.strictEqual(status, 1)
      assert.include(stderr, `usage: npm run ${name} -- `)
    })
  }
})

/** The project before any setup, and a search path with only node, a shell, and an apt-get that fails. */
const freshMachine = Effect.map(temporaryDirectory, (directory) => {
  const project = join(directory, "project")
  const path = join(directory, "bin")
  mkdirSync(project)
  mkdirSync(path)
  cpSync(join(root, "scripts"), join(project, "scripts"), { recursive: true })
  for (const name of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"])
    copyFileSync(join(root, name), join(project, name))
  symlinkSync(process.execPath, join(path, "node"))
  symlinkSync("/bin/sh", join(path, "sh"))
  writeProgram(join(path, "apt-get"), ["exit 1"])
  return { project, path }
})

describe("the setup", () => {
  for (const name of ["start", "test"]) {
    it.scoped(`says first what it will install: npm ${name}`, () =>
      Effect.gen(function* () {
        const { path, project } = yield* freshMachine
        const { status, stderr, stdout } = run(project, path, `scripts/${name}.mjs`)
        assert.strictEqual(status, 1)
        assert.match(stderr, /bubblewrap/)
        const list = ["bubblewrap, on this machine, by apt-get", "dependencies, into node_modules, by pnpm@"]
        assert.include(stdout, ["This will install:", ...list].join("\n  - "))
      })
    )
  }

  it.scoped("unpacks PostgreSQL beside the machine's own packages and settings", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const place = join(directory, "postgresql")
      const calls = join(directory, "calls")
      const bin = join(directory, "bin")
      mkdirSync(bin)
      writeProgram(join(bin, "apt-get"), [
        `echo "$*" >> '${calls}'`,
        `case "$*" in *--download-only*) touch '${place}.new/cache/archives/postgresql-15.deb' ;; esac`
      ])
      writeProgram(join(bin, "dpkg"), [
        '[ "$1" = -x ] || exit 1',
        'mkdir -p "$3/usr/lib/postgresql/15/bin" "$3/usr/lib/x86_64-linux-gnu"',
        'echo "echo \\$LD_LIBRARY_PATH \\$*" > "$3/usr/lib/postgresql/15/bin/postgres"',
        'chmod +x "$3/usr/lib/postgresql/15/bin/postgres"'
      ])
      const script = `import { unpackInto } from "./scripts/postgres.mjs"; unpackInto(${JSON.stringify(place)})`
      const unpacked = run(root, `${bin}:${searchPath}`, "--input-type=module", "--eval", script)
      assert.strictEqual(unpacked.status, 0, unpacked.stderr)

      const lines = readFileSync(calls, "utf8").trimEnd().split("\n")
      assert.strictEqual(lines.length, 2)
      for (const line of lines) {
        assert.include(line, `Dir::State::lists=${place}.new/`)
        assert.include(line, `Dir::Cache=${place}.new/`)
        assert.match(line, / update$| install --download-only /)
      }
      assert.deepStrictEqual(readdirSync(place).toSorted(), ["bin", "root"])
      const postgres = spawnSync(join(place, "bin/postgres"), ["-D", "data"], { encoding: "utf8" })
      assert.strictEqual(postgres.stdout, `${place}/root/usr/lib/x86_64-linux-gnu -D data\n`)
    })
  )
})
