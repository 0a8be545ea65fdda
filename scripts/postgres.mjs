// PostgreSQL for the tests. Debian's packages are unpacked into a directory of their own instead of being installed:
// an installation starts a cluster, unless a setting of the machine is changed first.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { canUnpack, entries, librariesIn, unpackPackages } from "./debian.mjs"
import { isInstalled, isRoot } from "./machine.mjs"
import { root } from "./project.mjs"

/** PostgreSQL does not run as root but as another user, who can seldom read root's own directories. */
const directory = isRoot ? "/var/cache/bulkhead/postgresql" : join(root, ".setup/postgresql")

/** Commands that find the libraries that came along, without anything else finding them. */
const writeCommands = (into, place) => {
  const inPlace = (path) => join(place, path.slice(into.length))
  const [programs] = entries(join(into, "root/usr/lib/postgresql"), () => true)
  if (programs === undefined) return false
  mkdirSync(join(into, "bin"))
  for (const name of ["initdb", "postgres"]) {
    const command = join(into, "bin", name)
    const program = inPlace(join(programs, "bin", name))
    const path = librariesIn(into).map(inPlace).join(":")
    writeFileSync(command, `#!/bin/sh\nLD_LIBRARY_PATH='${path}' exec '${program}' "$@"\n`)
    chmodSync(command, 0o755)
  }
  return true
}

/** Makes it beside its place. Readable for all: PostgreSQL runs as another user. */
export const unpackInto = (place) =>
  unpackPackages({ title: "PostgreSQL", packages: ["postgresql"], place, writeCommands })

const isUnpacked = () => existsSync(join(directory, "bin/postgres"))

/** Debian keeps the server's programs of each version outside the search path. */
const isOnMachine = () =>
  isInstalled("initdb") ||
  entries("/usr/lib/postgresql", () => true).some((version) => existsSync(join(version, "bin/initdb")))

/** Without PostgreSQL the tests that need it are skipped, and say so. */
export const postgres = {
  title: `PostgreSQL, for the tests, unpacked into ${directory} (about 300 MB); no setting of the machine changes`,
  isMissing: () => !isOnMachine() && !isUnpacked() && canUnpack(),
  install: () => unpackInto(directory)
}

/** The search path with PostgreSQL's commands, if they were unpacked. */
export const pathWithPostgres = () =>
  [process.env.PATH, ...(isUnpacked() ? [join(directory, "bin")] : [])].join(delimiter)
