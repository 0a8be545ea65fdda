import type { Language, LanguageRow } from "@bulkhead/domain"
import { TypeScriptRunner } from "@bulkhead/typescript"
import { Array as Arr, Option } from "effect"

/** What was found of each tool: its version. */
export type Versions = ReadonlyMap<string, string>

/** A language that sandboxes have without saying so, where its tool is on the path. */
interface UsualLanguage extends Omit<LanguageRow, "name" | "version"> {
  readonly name: Language
  readonly tool: string
  /** How people call the tool; by its name unless told. */
  readonly called?: string
  /** Whether the service brings what runs it: the files of `TypeScriptRunner`. */
  readonly isBrought?: boolean
  /** The first version that the row is for; the first of all unless told. */
  readonly from?: readonly [major: number, minor: number]
}

// Node reads the file as CommonJS or as a module; only what is neither is invalid.
const nodeCheck = "node --check main.js || node --input-type=module --check < main.js"

/** The usual languages. Of several rows of one language the first one counts whose tool is there. */
const usual: ReadonlyArray<UsualLanguage> = [
  {
    name: "python",
    tool: "python3",
    called: "python",
    file: "main.py",
    // Unbuffered, so that what a program printed before its end is not lost with it.
    command: "python3 -u main.py",
    check: `python3 -I -c 'compile(open("main.py", "rb").read(), "main.py", "exec")'`
  },
  // From here on node itself tells modules from CommonJS.
  {
    name: "javascript",
    tool: "node",
    from: [22, 7],
    file: "main.js",
    command: "node main.js",
    check: nodeCheck
  },
  {
    name: "javascript",
    tool: "node",
    from: [20, 10],
    file: "main.js",
    command: "node --no-warnings --experimental-detect-module main.js",
    check: nodeCheck
  },
  { name: "javascript", tool: "node", file: "main.js", command: "node main.js", check: nodeCheck },
  {
    name: "typescript",
    tool: "node",
    from: [20, 6],
    isBrought: true,
    file: "main.ts",
    command: TypeScriptRunner.command("main.ts"),
    check: TypeScriptRunner.check("main.ts")
  },
  { name: "typescript", tool: "deno", file: "main.ts", command: "deno run --allow-all --quiet main.ts" },
  { name: "typescript", tool: "bun", file: "main.ts", command: "bun run main.ts" },
  { name: "bash", tool: "bash", file: "main.sh", command: "bash main.sh", check: "bash -n main.sh" }
]

/** Programs whose versions tell which of the usual languages there are. */
export const tools: ReadonlyArray<string> = Arr.dedupe(usual.map(({ tool }) => tool))

const isAtLeast = (version: string, [major, minor]: readonly [number, number]) => {
  const [foundMajor = 0, foundMinor = 0] = version.split(".").map(Number)
  return foundMajor > major || (foundMajor === major && foundMinor >= minor)
}

/** A row, and whether the service brings what runs it. */
export interface FoundRow extends LanguageRow {
  readonly isBrought?: boolean
}

const rowOf = (versions: Versions, { called, from = [0, 0], tool, ...row }: UsualLanguage) =>
  Option.fromNullable(versions.get(tool)).pipe(
    Option.filter((version) => isAtLeast(version, from)),
    Option.map((version): FoundRow => ({ ...row, version: `${called ?? tool} ${version}` }))
  )

/** The usual languages that there are. */
export const found = (versions: Versions): ReadonlyArray<FoundRow> =>
  Arr.dedupeWith(
    Arr.getSomes(usual.map((language) => rowOf(versions, language))),
    (one, other) => one.name === other.name
  )

/** With the languages that an image adds, or has in the place of usual ones. */
export const withAdded = (
  rows: ReadonlyArray<FoundRow>,
  added: ReadonlyArray<LanguageRow> = []
): ReadonlyArray<FoundRow> => [
  ...rows.map((row) => added.find(({ name }) => name === row.name) ?? row),
  ...added.filter(({ name }) => rows.every((row) => row.name !== name))
]
