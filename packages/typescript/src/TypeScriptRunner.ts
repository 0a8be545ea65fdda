import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { brotliCompress, constants } from "node:zlib"
import { Data, Effect } from "effect"

/** A part of the runner is not where it was shipped. */
export class RunnerMissing extends Data.TaggedError("RunnerMissing")<{ readonly message: string }> {}

/** A file to write into a sandbox. */
export interface RunnerFile {
  readonly path: string
  readonly content: Uint8Array
}

/** The sandbox's directory for the runner: out of the program's home, whose files may be collected. */
const directory = "/tmp/.bulkhead-typescript"

/** The words that run a file of TypeScript where the runner's files are. */
export const command = (file: string): string => `node ${directory}/run.cjs ${file}`

/** A shell line that fails exactly when the compiler, or the engine after it, refuses the file. */
export const check = (file: string): string => `node ${directory}/run.cjs --check ${file}`

const missing = (name: string) => () =>
  new RunnerMissing({ message: `what runs TypeScript in sandboxes is missing: ${name}` })

const read = (name: string, places: ReadonlyArray<() => string>) =>
  Effect.firstSuccessOf(
    places.map((place) => Effect.tryPromise({ try: () => readFile(place()), catch: missing(name) }))
  )

const near = (path: string) => () => fileURLToPath(new URL(path, import.meta.url))

/** Beside a bundle, or in this package. */
const own = (name: string) => read(name, [near(`./typescript/${name}`), near(`../sandbox/${name}`)])

/** Beside a bundle, or where the package manager put it. */
const compiler = read("typescript", [
  near("./typescript/typescript.js"),
  () => createRequire(import.meta.url).resolve("typescript")
])

/** Beyond this, compressing takes longer than it saves. */
const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }

const compressed = (bytes: Uint8Array) => Effect.promise(() => promisify(brotliCompress)(bytes, quality))

/** The files that a sandbox needs to run TypeScript on its Node, from 20.6 on; some megabyte in all. */
export const files: Effect.Effect<ReadonlyArray<RunnerFile>, RunnerMissing> = Effect.all({
  "run.cjs": own("run.cjs"),
  "hooks.mjs": own("hooks.mjs"),
  "typescript.js.br": Effect.flatMap(compiler, compressed)
}).pipe(
  Effect.map((parts) =>
    Object.entries(parts).map(([name, content]) => ({
      path: `${directory}/${name}`,
      content: new Uint8Array(content)
    }))
  ),
  Effect.withSpan("TypeScriptRunner.files")
)
