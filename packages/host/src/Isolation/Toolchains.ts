import { FileSystem, Path } from "@effect/platform"
import { Array, Effect } from "effect"
import { IsolationUnavailable } from "../HostErrors.js"
import * as ThisProcess from "../ThisProcess.js"
import { parentsOf } from "./GuestRoot.js"

const READ_AND_SEARCH_BY_OTHERS = 0o005

/** Whether a sandbox's uid can reach a directory: it and every parent must let others in. */
const isReachable = Effect.fn("Toolchains.isReachable")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.every([...parentsOf(directory), directory], (each) =>
    fs.stat(each).pipe(
      Effect.map(
        ({ mode, type }) =>
          type === "Directory" &&
          (!ThisProcess.isRoot || (mode & READ_AND_SEARCH_BY_OTHERS) === READ_AND_SEARCH_BY_OTHERS)
      ),
      Effect.orElseSucceed(() => false)
    )
  )
})

const check = Effect.fn("Toolchains.check")(function* (given: string) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* Effect.orElseSucceed(fs.realPath(given), () => given)
  if (directory !== "/" && (yield* isReachable(directory))) return directory
  return yield* new IsolationUnavailable({
    reason: `the toolchain directory ${given} cannot be read by other users`,
    remedy: `chmod o+rx ${given} and its parents, or move it to /opt`
  })
})

/** What sandboxes can read beside /usr. */
export interface Toolchains {
  readonly directories: ReadonlyArray<string>
  /** Those of them whose programs are found by name. */
  readonly programs: ReadonlyArray<string>
}

/**
 * A node and what comes with it, unless that is below /usr or out of the sandboxes' reach. No more of where
 * it is installed: that may be somebody's ~/.local.
 */
const nodeInstallation = Effect.fn("Toolchains.nodeInstallation")(function* (node: string) {
  const path = yield* Path.Path
  const programs = path.dirname(node)
  const prefix = path.dirname(programs)
  const isApart = prefix !== "/" && prefix !== "/usr" && !prefix.startsWith("/usr/")
  if (!(isApart && (yield* isReachable(programs)))) return { directories: [], programs: [] }
  const modules = yield* Effect.filter([path.join(prefix, "lib/node_modules")], isReachable)
  return { directories: [programs, ...modules], programs: [programs] }
})

/** The directories that are given, and those of the node at that path. */
export const find = Effect.fn("Toolchains.find")(function* (given: ReadonlyArray<string>, node: string) {
  const checked = yield* Effect.forEach(given, check)
  const own = yield* nodeInstallation(node)
  const toolchains: Toolchains = {
    directories: Array.dedupe([...checked, ...own.directories]),
    programs: Array.dedupe([...checked.map((directory) => `${directory}/bin`), ...own.programs])
  }
  return toolchains
})
