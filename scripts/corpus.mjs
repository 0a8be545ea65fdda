// `npm run corpus [-- --write]`: makes the corpus of real files anew with the libraries of PyPI, in `.setup/corpus`, and
// judges it. With `--write` it takes the place of the one that is committed.

import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { brotliCompressSync, constants } from "node:zlib"
import { ensureBundle } from "./bundle.mjs"
import { isInstalled } from "./machine.mjs"
import { fail, root, run, whenChanged } from "./project.mjs"
import { setupDependencies } from "./setup.mjs"

const usage = "usage: npm run corpus [-- --write]"
const source = join(root, "packages/artifacts/corpus")
const place = join(root, ".setup/corpus")
const files = join(place, "files")
const python = join(place, "venv/bin/python")

const readOptions = () => {
  try {
    const args = process.argv.slice(2).filter((argument) => argument !== "--")
    return parseArgs({ args, options: { write: { type: "boolean", default: false } } }).values
  } catch (error) {
    return fail(`${error.message}\n${usage}`)
  }
}

/** The libraries, in an environment of their own. */
const installLibraries = async () => {
  const requirements = join(source, "requirements.txt")
  const from = createHash("sha256").update(readFileSync(requirements)).digest("hex")
  const make = () => {
    console.log(`This will install the libraries of ${requirements} into ${join(place, "venv")} (about 1 GB)`)
    rmSync(join(place, "venv"), { recursive: true, force: true })
    mkdirSync(place, { recursive: true })
    if (!run("python3", ["-m", "venv", join(place, "venv")]))
      fail("Python's venv is missing: install python3-venv")
    if (!run(python, ["-m", "pip", "install", "--quiet", "--prefer-binary", "-r", requirements]))
      fail("the libraries could not be installed: see above")
  }
  await whenChanged("corpus-libraries", { from, make, product: python })
}

const makeFiles = () => {
  rmSync(files, { recursive: true, force: true })
  const { status, stdout } = spawnSync(python, [join(source, "make.py"), files], {
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 2 ** 24
  })
  if (status !== 0) fail("the files could not be made: see above")
  writeFileSync(join(place, "corpus.jsonl"), stdout)
}

/** The same files give the same archive. */
const packed = () => {
  const same = [
    "--sort=name",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mtime=@0",
    "--mode=u=rwX,go=rX"
  ]
  const { status, stdout } = spawnSync("tar", [...same, "-C", files, "-c", "."], { maxBuffer: 2 ** 28 })
  if (status !== 0) fail("the files could not be packed: GNU tar is needed")
  const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT } = constants
  return brotliCompressSync(stdout, {
    params: { [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_SIZE_HINT]: stdout.length }
  })
}

const write = () => {
  writeFileSync(join(source, "corpus.jsonl"), readFileSync(join(place, "corpus.jsonl")))
  writeFileSync(join(source, "corpus.tar.br"), packed())
}

const judge = () =>
  run(join(root, "node_modules/.bin/vitest"), ["run", "--project", "artifacts", "Corpus"], {
    show: true,
    env: { ...process.env, CORPUS: place }
  })

const options = readOptions()
if (!isInstalled("python3")) fail("Python 3.11 or newer is needed")
setupDependencies()
await ensureBundle()
await installLibraries()
makeFiles()
if (options.write) write()
if (!existsSync(join(source, "corpus.jsonl")) || !judge()) process.exitCode = 1
