// PostgreSQL for the tests. Debian's packages are unpacked into a directory of their own instead of being installed:
// an installation starts a cluster, unless a setting of the machine is changed first.
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { isInstalled, isLinux, isRoot } from "./machine.mjs"
import { root, run } from "./project.mjs"

/** PostgreSQL does not run as root but as another user, who can seldom read root's own directories. */
const directory = isRoot ? "/var/cache/bulkhead/postgresql" : join(root, ".setup/postgresql")

/** Also apt's lists and downloads stay in the directory. Nothing of the machine is written, so no lock is needed. */
const aptOptions = (into) =>
  [
    `Dir::State::lists=${join(into, "lists")}`,
    `Dir::Cache=${join(into, "cache")}`,
    "Debug::NoLocking=1",
    ...(isRoot ? ["APT::Sandbox::User=root"] : [])
  ].flatMap((option) => ["-o", option])

const download = (into) => {
  const options = aptOptions(into)
  for (const path of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(into, path), { recursive: true })
  const packages = ["-y", "--no-install-recommends", "postgresql"]
  return (
    run("apt-get", [...options, "update"]) &&
    run("apt-get", [...options, "install", "--download-only", ...packages])
  )
}

const unpack = (into) => {
  const archives = join(into, "cache/archives")
  const packages = readdirSync(archives).filter((name) => name.endsWith(".deb"))
  return packages.every((name) => run("dpkg", ["-x", join(archives, name), join(into, "root")]))
}

const entries = (directory, isWanted) =>
  existsSync(directory)
    ? readdirSync(directory)
        .filter(isWanted)
        .map((name) => join(directory, name))
    : []

/** Commands that find the libraries that came along, without anything else finding them. */
const writeCommands = (into, place) => {
  const inPlace = (path) => join(place, path.slice(into.length))
  const isMultiarch = (name) => name.includes("-linux-")
  const libraries = ["usr/lib", "lib"].flatMap((path) => entries(join(into, "root", path), isMultiarch))
  const [programs] = entries(join(into, "root/usr/lib/postgresql"), () => true)
  if (programs === undefined) return false
  mkdirSync(join(into, "bin"))
  for (const name of ["initdb", "postgres"]) {
    const command = join(into, "bin", name)
    const program = inPlace(join(programs, "bin", name))
    const path = libraries.map(inPlace).join(":")
    writeFileSync(command, `#!/bin/sh\nLD_LIBRARY_PATH='${path}' exec '${program}' "$@"\n`)
    chmodSync(command, 0o755)
  }
  return true
}

const make = (into, place) => download(into) && unpack(into) && writeCommands(into, place)

/** Makes it beside its place, so that it is there whole or not at all. Readable for all: PostgreSQL runs as another user. */
export const unpackInto = (place) => {
  const into = `${place}.new`
  rmSync(into, { recursive: true, force: true })
  const umask = process.umask(0o022)
  if (make(into, place)) {
    for (const path of ["lists", "cache"]) rmSync(join(into, path), { recursive: true })
    rmSync(place, { recursive: true, force: true })
    renameSync(into, place)
  } else {
    rmSync(into, { recursive: true, force: true })
    console.warn("PostgreSQL could not be unpacked: the tests that need it are skipped")
  }
  process.umask(umask)
}

const isUnpacked = () => existsSync(join(directory, "bin/postgres"))

/** Debian keeps the server's programs of each version outside the search path. */
const isOnMachine = () =>
  isInstalled("initdb") ||
  entries("/usr/lib/postgresql", () => true).some((version) => existsSync(join(version, "bin/initdb")))

const canUnpack = () => isLinux && isInstalled("apt-get") && isInstalled("dpkg")

/** Without PostgreSQL the tests that need it are skipped, and say so. */
export const postgres = {
  title: `PostgreSQL, for the tests, unpacked into ${directory} (about 300 MB); no setting of the machine changes`,
  isMissing: () => !isOnMachine() && !isUnpacked() && canUnpack(),
  install: () => unpackInto(directory)
}

/** The search path with PostgreSQL's commands, if they were unpacked. */
export const pathWithPostgres = () =>
  [process.env.PATH, ...(isUnpacked() ? [join(directory, "bin")] : [])].join(delimiter)
