// OpenStack Swift for the tests: a store that speaks the S3 protocol. Debian's packages are unpacked into a directory of
// their own, since an installation starts services.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { canUnpack, librariesIn, unpackPackages } from "./debian.mjs"
import { root } from "./project.mjs"

const directory = join(root, ".setup/swift")

/** Its packages are for the Python of the same Debian. */
const python = "/usr/bin/python3"

const writeCommands = (into, place) => {
  const inPlace = (path) => join(place, path.slice(into.length))
  const libraries = librariesIn(into).map(inPlace).join(":")
  const modules = join(place, "root/usr/lib/python3/dist-packages")
  mkdirSync(join(into, "bin"))
  const command = join(into, "bin/python3-with-swift")
  const environment = `PYTHONPATH='${modules}' LD_LIBRARY_PATH='${libraries}'`
  writeFileSync(command, `#!/bin/sh\n${environment} exec ${python} "$@"\n`)
  chmodSync(command, 0o755)
  return true
}

const isUnpacked = () => existsSync(join(directory, "bin/python3-with-swift"))

/** Without it the tests that need it are skipped, and say so. */
export const swift = {
  title: `OpenStack Swift, for the tests, unpacked into ${directory} (about 60 MB); no setting of the machine changes`,
  isMissing: () => !isUnpacked() && canUnpack() && existsSync(python),
  install: () =>
    unpackPackages({
      title: "OpenStack Swift",
      packages: ["swift-proxy", "swift-account", "swift-container", "swift-object"],
      place: directory,
      writeCommands
    })
}

/** A search path with Python as Swift needs it, if it was unpacked. */
export const withSwift = (path) => [path, ...(isUnpacked() ? [join(directory, "bin")] : [])].join(delimiter)
