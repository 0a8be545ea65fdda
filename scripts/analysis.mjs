// `npm run analysis [-- DIRECTORY...]`: how many harmless files of this machine the rules of code would refuse, by rule,
// and how long that takes.

import { readdirSync, readFileSync, statSync } from "node:fs"
import { extname, join } from "node:path"
import { root, run } from "./project.mjs"
import { setupDependencies } from "./setup.mjs"

const usual = [
  "/usr/bin",
  "/usr/sbin",
  "/usr/lib",
  "/usr/share",
  "/var/lib/dpkg/info",
  join(root, "node_modules")
]

const languages = {
  ".py": "python",
  ".js": "javascript",
  ".mjs": "javascript",
  ".cjs": "javascript",
  ".ts": "javascript",
  ".sh": "bash",
  ".bash": "bash"
}

const largest = 1_048_576

function* filesIn(directory) {
  let entries
  try {
    entries = readdirSync(directory, { withFileTypes: true })
  } catch {
    return
  }
  for (const entry of entries) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* filesIn(path)
    else if (entry.isFile() && statSync(path).size <= largest) yield path
  }
}

const shebangs = [
  [/^#! ?\S*(\/| )(ba|da)?sh\b/, "bash"],
  [/^#! ?\S*(\/| )python/, "python"],
  [/^#! ?\S*(\/| )node\b/, "javascript"]
]

const languageOf = (path, text) =>
  path.endsWith(".d.ts")
    ? undefined
    : (languages[extname(path)] ??
      (extname(path) === "" || path.includes("/dpkg/info/")
        ? shebangs.find(([pattern]) => pattern.test(text))?.[1]
        : undefined))

setupDependencies()
if (!run(join(root, "node_modules/.bin/tsc"), ["-b", join(root, "packages/analysis")], { show: true }))
  process.exit(1)
const { make } = await import(join(root, "packages/analysis/dist/Analysis.js"))
const { ownRules } = await import(join(root, "packages/analysis/dist/OwnRules.js"))

const analyze = make(ownRules)
const given = process.argv.slice(2).filter((argument) => argument !== "--")
const seen = new Set()
const counts = { python: 0, javascript: 0, bash: 0 }
const flagged = new Map()
let refused = 0
let failed = 0
for (const directory of given.length > 0 ? given : usual) {
  for (const path of filesIn(directory)) {
    const text = readFileSync(path, "utf8")
    const language = languageOf(path, text)
    const key = `${text.length}:${text.slice(0, 2000)}:${text.slice(-500)}`
    if (language === undefined || seen.has(key)) continue
    seen.add(key)
    counts[language]++
    if (seen.size % 1000 === 0) console.log(`${seen.size} files, the last in ${directory}`)
    try {
      const { findings } = analyze(text, language)
      if (findings.length > 0) refused++
      for (const { line, rule } of findings)
        flagged.set(rule, [...(flagged.get(rule) ?? []), `${path}:${line}`])
    } catch (error) {
      failed++
      console.log(`not analysed: ${path}: ${error.message}`)
    }
  }
}

const files = Object.values(counts).reduce((sum, count) => sum + count, 0)
console.log(`${files} different files: ${JSON.stringify(counts)}; ${failed} not analysed`)
console.log(`${refused} would be refused: ${((1000 * refused) / files).toFixed(2)} in 1,000`)
for (const [rule, places] of [...flagged].sort(([, a], [, b]) => b.length - a.length))
  console.log(`  ${rule}: ${places.length}, like ${places.slice(0, 3).join(", ")}`)
