import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "vitest"
import { packages } from "../packages.mjs"
import { root } from "../project.mjs"

const read = (name) => readFileSync(join(root, name), "utf8")

const pagesIn = (directory) =>
  readdirSync(join(root, directory), { recursive: true })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(directory, name))

/** What is checked as prose and as code here. The packages' own READMEs are compiled as their users would. */
const pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...pagesIn("docs")]
const everyPage = [...pages, ...packages().map(({ folder }) => join("packages", folder, "README.md"))]

const blocksOf = (page) =>
  [...read(page).matchAll(/^```(\w*)\n(.*?)^```/gms)].map(([, kind, code]) => ({ kind, code }))

const examplesIn = (ending) =>
  readdirSync(join(root, "examples"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) =>
      readdirSync(join(root, "examples", name))
        .filter((file) => file.endsWith(ending))
        .map((file) => read(join("examples", name, file)))
    )

const examples = { ts: examplesIn(".ts"), python: examplesIn(".py") }

const commands = Object.keys(JSON.parse(read("package.json")).scripts)

/** What stands before a command sets its variables. */
const assignments = /^(?:[A-Z_]+=\S+ )+/

const commandLine = readdirSync(join(root, "apps/cli/src/commands")).map((name) =>
  name.replace(".ts", "").toLowerCase()
)

const isCommand = (line) => {
  const command = line.replace(assignments, "")
  return (
    ["npm start", "npm test"].includes(command) ||
    commandLine.includes(/^npx bulkhead (\w+)/.exec(command)?.[1]) ||
    commands.includes(/^npm run ([\w:-]+)/.exec(command)?.[1])
  )
}

/** Its clients are run by the server's tests. */
const clients = "docs/clients.md"

/** What shows that a block holds. Where blocks of `bash` are, the server's tests run them. */
const holds = {
  bash: (_, page) => page === "README.md" || /^docs\/[^/]+$/.test(page),
  console: (code) => code.trimEnd().split("\n").every(isCommand),
  json: (code) => JSON.parse(code) !== undefined,
  mermaid: (code) => code.startsWith("flowchart"),
  python: (code, page) => page === clients || examples.python.includes(code),
  ts: (code, page) => page === clients || examples.ts.includes(code)
}

describe.each(pages)("%s", (page) => {
  it("has no block that nothing runs or checks", () => {
    for (const { code, kind } of blocksOf(page)) assert.isTrue(holds[kind]?.(code, page), code)
  })
})

describe.each(everyPage)("%s", (page) => {
  it("keeps its prose within 120 columns", () => {
    const lines = read(page).split("\n")
    assert.deepStrictEqual(
      lines.filter((line) => line.length > 120 && !line.startsWith("|")),
      []
    )
  })

  it("has links that lead somewhere", () => {
    const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link)
    assert.deepStrictEqual(
      links.filter((link) => !existsSync(join(root, dirname(page), link))),
      []
    )
  })
})

describe("README.md", () => {
  it("is short", () => {
    assert.isAtMost(read("README.md").split("\n").length, 165)
  })
})
