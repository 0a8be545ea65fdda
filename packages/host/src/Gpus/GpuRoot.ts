import * as Path from "node:path"
import type { GuestRoot } from "../Isolation/GuestRoot.js"
import type { Gpu, NvidiaDriver } from "./NvidiaDriver.js"

/** Where a sandbox with GPUs finds the driver, whatever its image has: links into directories of this machine. */
const PLACE = "/nvidia"

/** What programs with GPUs have in their environment. */
export const LIBRARIES = `${PLACE}/lib`
export const PROGRAMS = `${PLACE}/bin`

const linked = (files: ReadonlyArray<string>, directories: ReadonlyArray<string>, place: string) =>
  files.map((file) => {
    const directory = directories.indexOf(Path.dirname(file))
    return [`${PLACE}/from/${directory}/${Path.basename(file)}`, `${place}/${Path.basename(file)}`] as const
  })

/** The root with these GPUs and no others in it, and with the driver that they need. */
export const withGpus = (root: GuestRoot, driver: NvidiaDriver, gpus: ReadonlyArray<Gpu>): GuestRoot => {
  const { libraries, programs, shared } = driver
  const directories = [...new Set([...libraries, ...programs].map((file) => Path.dirname(file)))]
  return {
    ...root,
    directories: [LIBRARIES, PROGRAMS],
    devices: [...gpus.map(({ device }) => device), ...shared],
    binds: [
      ...root.binds,
      ...directories.map((source, index) => [source, `${PLACE}/from/${index}`] as const)
    ],
    links: [
      ...root.links,
      ...linked(libraries, directories, LIBRARIES),
      ...linked(programs, directories, PROGRAMS)
    ]
  }
}
