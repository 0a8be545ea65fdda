// The dependencies, at the versions of the lockfile.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { contentsOf, fail, isCurrent, markCurrent, root, run } from "./project.mjs"

const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** Runs the pinned pnpm. */
export const pnpm = (args, options) => run("npx", ["--yes", packageManager, ...args], options)

const state = () => contentsOf(["pnpm-lock.yaml", "pnpm-workspace.yaml"].map((name) => join(root, name)))

const install = () => {
  const words = ["install", "--frozen-lockfile"]
  if (!pnpm(words)) fail(`dependencies could not be installed by: npx ${packageManager} ${words.join(" ")}`)
  markCurrent("dependencies", state())
}

export const dependencies = {
  title: `dependencies, into node_modules, by ${packageManager}`,
  isMissing: () =>
    !existsSync(join(root, "node_modules/.modules.yaml")) || !isCurrent("dependencies", state()),
  install
}
