// The packages that other programs install.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./project.mjs"

const read = (folder) => {
  const directory = join(root, "packages", folder)
  return { folder, directory, manifest: JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) }
}

/** Every package, by folder, with its manifest. */
export const packages = () =>
  readdirSync(join(root, "packages"))
    .filter((folder) => existsSync(join(root, "packages", folder, "package.json")))
    .map(read)

/** The names of what a package has its user install beside it; there may be none. */
export const peersOf = ({ manifest: { peerDependencies = {} } }) => Object.keys(peerDependencies)

/** What a README has its reader install beside this project's packages, by name. */
export const installedBy = (readme) =>
  Object.fromEntries(
    [...readme.matchAll(/^npm install (.*)$/gm)]
      .flatMap(([, words]) => words.split(" "))
      .map((word) => word.match(/^((?:@[^/]+\/)?[^@]+)@(.+)$/))
      .filter((match) => match !== null)
      .map(([, name, version]) => [name, version])
  )
