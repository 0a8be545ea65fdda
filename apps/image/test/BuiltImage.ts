import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** What says that the registries are out of reach here: a reason to go without a test, unlike any other failure. */
const OUT_OF_REACH = /the package registry cannot be reached/

/** Runs the command as its users do. */
export const run = (args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, ["scripts/image.mjs", ...args], { cwd: root, encoding: "utf8" })

const placeOf = (name: string) => join(root, ".setup/images", name)
const askedOf = (name: string) => `${placeOf(name)}.asked`

/** An image that was built before from just these words. */
export const made = (name: string, args: ReadonlyArray<string>): string | undefined => {
  const isThere = existsSync(placeOf(name)) && existsSync(askedOf(name))
  return isThere && readFileSync(askedOf(name), "utf8") === args.join(" ") ? placeOf(name) : undefined
}

/**
 * An image that is built once by that command and kept in .setup; another build takes its place when it is asked for
 * otherwise. None, which is said, where the registry is out of reach.
 */
export const make = (name: string, args: ReadonlyArray<string>): string | undefined => {
  const there = made(name, args)
  if (there !== undefined) return there
  mkdirSync(join(root, ".setup/images"), { recursive: true })
  const { status, stderr } = run([name, ...args, "--place", placeOf(name), "--replace"])
  if (status === 0) {
    writeFileSync(askedOf(name), args.join(" "))
    return placeOf(name)
  }
  if (!OUT_OF_REACH.test(stderr)) throw new Error(stderr)
  console.warn(`skipped: no image '${name}', ${stderr.trim()}`)
  return undefined
}
