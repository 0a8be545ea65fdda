import { spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, assert, it } from "vitest"
import { packages } from "../packages.mjs"
import { root } from "../project.mjs"

const project = mkdtempSync(join(tmpdir(), "bulkhead-versions-"))
afterAll(() => rmSync(project, { recursive: true, force: true }))

const manifests = ["packages", "apps", "examples"].flatMap((group) =>
  readdirSync(join(root, group))
    .map((name) => join(group, name, "package.json"))
    .filter((path) => existsSync(join(root, path)))
)

const copy = (path) => {
  mkdirSync(dirname(join(project, path)), { recursive: true })
  cpSync(join(root, path), join(project, path), { recursive: true })
}

const versionIn = (directory) => (path) => JSON.parse(readFileSync(join(directory, path), "utf8")).version

const run = (command, ...words) => {
  const { error, status, stderr, stdout } = spawnSync(command, words, { cwd: project, encoding: "utf8" })
  assert.strictEqual(status, 0, `${error}${stdout}${stderr}`)
}

it("a change of one package gives all packages the next version and a changelog", () => {
  for (const path of ["package.json", "pnpm-workspace.yaml", ".changeset", ...manifests]) copy(path)
  symlinkSync(join(root, "node_modules"), join(project, "node_modules"))
  const change = '---\n"@bulkhead/domain": minor\n---\n\nThe domain has a new word.\n'
  writeFileSync(join(project, ".changeset/a-new-word.md"), change)
  run("git", "init", "--quiet")
  run(join(root, "node_modules/.bin/changeset"), "version")

  const published = packages().map(({ folder }) => join("packages", folder, "package.json"))
  const versions = published.map(versionIn(project))
  assert.deepStrictEqual(
    versions,
    published.map(() => versions[0])
  )
  assert.notStrictEqual(versions[0], packages()[0].manifest.version)
  const others = manifests.filter((path) => !published.includes(path))
  assert.deepStrictEqual(others.map(versionIn(project)), others.map(versionIn(root)))
  for (const path of published) assert.isTrue(existsSync(join(project, dirname(path), "CHANGELOG.md")), path)
  assert.include(
    readFileSync(join(project, "packages/domain/CHANGELOG.md"), "utf8"),
    "The domain has a new word."
  )
})
