import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
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

/** Builds it unless another test has meanwhile; what it was built from is noted only of a whole one. */
const buildOnce = `test -d "$PLACE" && test "$(cat "$PLACE.asked" 2>/dev/null)" = "$ASKED" && exit
"$NODE" scripts/image.mjs "$@" && printf %s "$ASKED" > "$PLACE.asked"`

/**
 * An image that is built once by that command and kept in .setup, for the tests of all projects; another build takes
 * its place when it is asked for otherwise. None, which is said, where the registry is out of reach.
 */
export const make = (name: string, args: ReadonlyArray<string>): string | undefined => {
  const there = made(name, args)
  if (there !== undefined) return there
  mkdirSync(join(root, ".setup/images"), { recursive: true })
  const place = placeOf(name)
  const words = [name, ...args, "--place", place, "--replace"]
  const { status, stderr } = spawnSync("flock", [`${place}.lock`, "sh", "-c", buildOnce, "sh", ...words], {
    ...{ cwd: root, encoding: "utf8" },
    env: { ...process.env, NODE: process.execPath, PLACE: place, ASKED: args.join(" ") }
  })
  if (status === 0) return place
  if (!OUT_OF_REACH.test(stderr)) throw new Error(stderr)
  console.warn(`skipped: no image '${name}', ${stderr.trim()}`)
  return undefined
}
