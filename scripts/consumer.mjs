// What others do with the packages: install what was packed in an empty folder, check types, run programs.
import { spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pnpm } from "./dependencies.mjs"
import { installedBy, packages } from "./packages.mjs"
import { root, run } from "./project.mjs"

const examples = join(root, "examples")

const namesOfExamples = () =>
  readdirSync(examples).filter((name) => existsSync(join(examples, name, "package.json")))

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"))

/** The version of a dependency that an example runs on here. */
const versionOf = (directory) => (name) =>
  readJson(join(directory, "node_modules", name, "package.json")).version

/** What every program here needs. */
const basics = ["effect", "@types/node"]

const readmeOf = (directory) => readFileSync(join(directory, "README.md"), "utf8")

const dependenciesOf = (example) => {
  const directory = join(examples, example)
  const { dependencies, devDependencies } = readJson(join(directory, "package.json"))
  const names = Object.keys({ ...dependencies, ...devDependencies }).filter(
    (name) => !name.startsWith("@bulkhead/")
  )
  return names.map((name) => [name, versionOf(directory)(name)])
}

const othersDependencies = () => ({
  ...Object.fromEntries(basics.map((name) => [name, versionOf(root)(name)])),
  ...Object.fromEntries(namesOfExamples().flatMap(dependenciesOf)),
  ...Object.assign({}, ...packages().map(({ directory }) => installedBy(readmeOf(directory))))
})

/** What the examples and the READMEs have installed, and this project's packages as they were packed. */
const manifestOf = (tarballs) => {
  const packed = Object.fromEntries(Object.entries(tarballs).map(([name, path]) => [name, `file:${path}`]))
  return {
    name: "consumer",
    private: true,
    type: "module",
    dependencies: { ...othersDependencies(), ...packed },
    // Or pnpm would look for these versions in the registry, where they are not yet.
    pnpm: { overrides: packed }
  }
}

// All packages' types are checked too. Effect's need the types of the DOM, which are there by default.
const compilerOptions = {
  target: "ES2022",
  module: "NodeNext",
  moduleResolution: "NodeNext",
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  types: ["node"],
  rootDir: ".",
  outDir: "built"
}

const blocksOf = (markdown) => [...markdown.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code)

const writeBlocks = (folder, name, blocks) => {
  for (const [at, code] of blocks.entries()) writeFileSync(join(folder, `${name}-${at}.ts`), code)
}

const writeReadmes = (folder) => {
  mkdirSync(folder)
  for (const { directory, folder: name } of packages())
    writeBlocks(folder, name, blocksOf(readmeOf(directory)))
}

const copyExample = (name, into, isWanted) =>
  cpSync(join(examples, name), join(into, name), {
    recursive: true,
    filter: (source) => !source.includes("node_modules") && isWanted(source)
  })

/** The folder of a program that knows of this project only what was packed. */
const makeFolder = (tarballs) => {
  const folder = mkdtempSync(join(tmpdir(), "bulkhead-consumer-"))
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifestOf(tarballs), undefined, 2))
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, exclude: ["built", "node_modules"] })
  )
  writeReadmes(join(folder, "readmes"))
  for (const name of namesOfExamples()) {
    copyExample(name, join(folder, "examples"), () => true)
    // The compiler leaves what is no TypeScript where it is, and tests look for it beside themselves.
    copyExample(name, join(folder, "built/examples"), (source) => !source.endsWith(".ts"))
  }
  return folder
}

/** By this environment sandboxes are on this machine. */
const env = { ...process.env, E2B_API_KEY: "" }

/** A minute must do for any program. */
const timeout = 60_000

const runProgram = (folder, file) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [file], {
    cwd: folder,
    encoding: "utf8",
    env,
    timeout
  })
  if (status !== 0) console.error(`${file} ended with ${status}\n${stdout}${stderr}`)
  return { succeeded: status === 0, stdout }
}

/** An example's program prints exactly its output.txt. */
const runExample = (folder, name) => {
  const expected = readFileSync(join(examples, name, "output.txt"), "utf8")
  const { stdout, succeeded } = runProgram(folder, `built/examples/${name}/main.js`)
  if (succeeded && stdout !== expected) console.error(`${name} printed\n${stdout}instead of\n${expected}`)
  return succeeded && stdout === expected
}

const bin = (folder, name) => join(folder, "node_modules/.bin", name)

const managers = {
  npm: (cwd) => run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund"], { cwd }),
  pnpm: (cwd) => pnpm(["install", "--prefer-offline"], { cwd })
}

/** The programs here, and the types of this project's packages. */
const isOurs = ({ fileName }) => !/\/node_modules\/(?!.*\/node_modules\/)(?!@bulkhead\/)/.test(fileName)

/** Compiles the folder. Whether nothing is wrong in what is ours; what is in others' types we cannot mend. */
const compile = async (folder) => {
  // Not there before the setup.
  const { default: typescript } = await import("typescript")
  const { config } = typescript.readConfigFile(join(folder, "tsconfig.json"), typescript.sys.readFile)
  const { fileNames, options } = typescript.parseJsonConfigFileContent(config, typescript.sys, folder)
  const program = typescript.createProgram(fileNames, options)
  const errors = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...program
      .getSourceFiles()
      .filter(isOurs)
      .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
  ]
  const host = {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => folder,
    getNewLine: () => "\n"
  }
  if (errors.length > 0) console.error(typescript.formatDiagnostics(errors, host))
  program.emit()
  return errors.length === 0
}

const filesOfExamples = namesOfExamples().flatMap((name) =>
  readdirSync(join(examples, name)).map((file) => ({ name, file }))
)

const programSteps = (folder) =>
  filesOfExamples
    .filter(({ file }) => file === "main.ts")
    .map(({ name }) => [`runs ${name}`, () => runExample(folder, name)])

const testSteps = (folder) => {
  const names = filesOfExamples.filter(({ file }) => file.endsWith(".test.ts")).map(({ name }) => name)
  const words = (name) => ["run", "--root", folder, "--dir", `built/examples/${name}`]
  return [...new Set(names)].map((name) => [
    `runs the tests of ${name}`,
    () => run(bin(folder, "vitest"), words(name), { cwd: folder })
  ])
}

const stepsIn = (folder, install) => [
  ["installs", () => install(folder)],
  ["compiles", () => compile(folder)],
  ...programSteps(folder),
  ...testSteps(folder)
]

/** Whether npm, as it is set up on this machine, reaches a registry. */
export const reachesRegistry = () =>
  spawnSync("npm", ["view", "effect", "version", "--fetch-retries=0", "--fetch-timeout=10000"]).status === 0

/** What does not work with one of the package managers, in words. */
const faultWith = async (manager, tarballs) => {
  const folder = makeFolder(tarballs)
  try {
    for (const [title, step] of stepsIn(folder, managers[manager])) {
      const start = performance.now()
      if (!(await step())) return `what ${manager} installed does not do what it should: ${title}`
      console.log(`  ${manager}: ${title} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
    }
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Installs the tarballs with npm and with pnpm, each in a folder of its own. Gives the first fault with each. */
export const faultsOfUse = async (tarballs) => {
  const faults = []
  for (const manager of Object.keys(managers)) faults.push(await faultWith(manager, tarballs))
  return faults.filter((fault) => fault !== undefined)
}
