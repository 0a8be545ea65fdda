// What the scripts share: where the project is, how to run a command, and whether something is still up to date.
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Ends the script with one line that says what to do. */
export const fail = (message) => {
  console.error(`bulkhead: ${message}`)
  process.exit(1)
}

/** Runs a command, in the project's root unless told otherwise; its output is shown only if it fails, unless `show` is set. */
export const run = (command, args, { show = false, env = process.env, cwd = root } = {}) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    env,
    stdio: show ? "inherit" : "pipe",
    maxBuffer: 2 ** 28
  })
  if (error) fail(`could not run ${command}: ${error.message}`)
  if (status !== 0 && !show) process.stderr.write(Buffer.concat([stdout, stderr]))
  return status === 0
}

/** Runs commands at the same time, in the project's root unless told otherwise, and shows what they say. */
export const runTogether = async (commands, { env = process.env, cwd = root } = {}) => {
  const ends = commands.map(([command, ...args]) =>
    once(spawn(command, args, { cwd, env, stdio: "inherit" }), "close")
  )
  return (await Promise.all(ends)).every(([status]) => status === 0)
}

/** Copies a file into the place of another, which may be a program that runs: that one keeps what it has open. */
export const replaceFile = (from, to) => {
  const beside = `${to}.${process.pid}.new`
  copyFileSync(from, beside)
  renameSync(beside, to)
}

/** The files beneath a directory. */
export const filesIn = (directory) =>
  existsSync(directory)
    ? readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    : []

/** Every source file of the packages and apps. */
export const sources = () =>
  ["packages", "apps"].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((name) =>
      ["src", "sandbox", "static"].flatMap((part) => filesIn(join(root, group, name, part)))
    )
  )

/** A hash of what the files hold. */
export const contentsOf = (files) => {
  const hash = createHash("sha256")
  for (const file of files) hash.update(file).update("\0").update(readFileSync(file)).update("\0")
  return hash.digest("hex")
}

/** A hash that changes whenever one of the files does. Cheaper than their contents. */
export const stateOf = (files) => {
  const hash = createHash("sha256")
  for (const file of files.toSorted()) {
    const { mtimeMs, size } = statSync(file)
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return hash.digest("hex")
}

const stampOf = (name) => join(root, ".setup", name)

/** Whether something was last made from this. */
export const isCurrent = (name, from) =>
  existsSync(stampOf(name)) && readFileSync(stampOf(name), "utf8") === from

/** Remembers what something was made from. */
export const markCurrent = (name, from) => {
  mkdirSync(dirname(stampOf(name)), { recursive: true })
  writeFileSync(stampOf(name), from)
}

/** Makes a product that is missing or was last made from something else. */
export const whenChanged = async (name, { from, make, product }) => {
  if (existsSync(product) && isCurrent(name, from)) return
  await make()
  markCurrent(name, from)
}
