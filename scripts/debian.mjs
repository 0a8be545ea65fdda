// Debian's packages, unpacked into a directory of their own instead of being installed.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { isInstalled, isLinux, isRoot } from "./machine.mjs"
import { run } from "./project.mjs"

export const canUnpack = () => isLinux && isInstalled("apt-get") && isInstalled("dpkg")

/** Also apt's lists and downloads stay in the directory. Nothing of the machine is written, so no lock is needed. */
const aptOptions = (into) =>
  [
    `Dir::State::lists=${join(into, "lists")}`,
    `Dir::Cache=${join(into, "cache")}`,
    "Debug::NoLocking=1",
    ...(isRoot ? ["APT::Sandbox::User=root"] : [])
  ].flatMap((option) => ["-o", option])

const download = (into, packages) => {
  const options = aptOptions(into)
  for (const path of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(into, path), { recursive: true })
  return (
    run("apt-get", [...options, "update"]) &&
    run("apt-get", [...options, "install", "--download-only", "-y", "--no-install-recommends", ...packages])
  )
}

const unpack = (into) => {
  const archives = join(into, "cache/archives")
  const packages = readdirSync(archives).filter((name) => name.endsWith(".deb"))
  return packages.every((name) => run("dpkg", ["-x", join(archives, name), join(into, "root")]))
}

export const entries = (directory, isWanted) =>
  existsSync(directory)
    ? readdirSync(directory)
        .filter(isWanted)
        .map((name) => join(directory, name))
    : []

/** The directories of the libraries that were unpacked. */
export const librariesIn = (into) => {
  const isMultiarch = (name) => name.includes("-linux-")
  return ["usr/lib", "lib"].flatMap((path) => entries(join(into, "root", path), isMultiarch))
}

/** Makes it beside its place, so that it is there whole or not at all, and readable for all. */
export const unpackPackages = ({ packages, place, title, writeCommands }) => {
  const into = `${place}.new`
  rmSync(into, { recursive: true, force: true })
  const umask = process.umask(0o022)
  if (download(into, packages) && unpack(into) && writeCommands(into, place)) {
    for (const path of ["lists", "cache"]) rmSync(join(into, path), { recursive: true })
    rmSync(place, { recursive: true, force: true })
    renameSync(into, place)
  } else {
    rmSync(into, { recursive: true, force: true })
    console.warn(`${title} could not be unpacked: the tests that need it are skipped`)
  }
  process.umask(umask)
}
