// nginx for the test of deploy/. Debian's packages are unpacked into a directory of their own: an installation would
// start a server on port 80.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { canUnpack, librariesIn, unpackPackages } from "./debian.mjs"
import { isInstalled } from "./machine.mjs"
import { root } from "./project.mjs"

const directory = join(root, ".setup/nginx")

const writeCommands = (into, place) => {
  const inPlace = (path) => join(place, path.slice(into.length))
  const libraries = librariesIn(into).map(inPlace).join(":")
  mkdirSync(join(into, "bin"))
  const command = join(into, "bin/nginx")
  const program = join(place, "root/usr/sbin/nginx")
  writeFileSync(command, `#!/bin/sh\nLD_LIBRARY_PATH='${libraries}' exec '${program}' "$@"\n`)
  chmodSync(command, 0o755)
  return existsSync(join(into, "root/usr/sbin/nginx"))
}

const isUnpacked = () => existsSync(join(directory, "bin/nginx"))

/** Without it the test that needs it is skipped, and says so. */
export const nginx = {
  title: `nginx, for the tests, unpacked into ${directory} (about 3 MB); no setting of the machine changes`,
  isMissing: () => !isInstalled("nginx") && !isUnpacked() && canUnpack(),
  install: () =>
    unpackPackages({ title: "nginx", packages: ["nginx-light"], place: directory, writeCommands })
}

/** A search path with nginx, if it was unpacked. */
export const withNginx = (path) => [path, ...(isUnpacked() ? [join(directory, "bin")] : [])].join(delimiter)
