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

/** Where the running node is installed, unless that is below /usr or out of the sandboxes' reach. */
const nodeInstallation = Effect.gen(function* () {
  const path = yield* Path.Path
  const prefix = path.dirname(path.dirname(ThisProcess.nodePath))
  const apart = prefix !== "/" && prefix !== "/usr" && !prefix.startsWith("/usr/")
  return apart && (yield* isReachable(prefix)) ? [prefix] : []
})

/** The directories beside /usr that sandboxes can read: those given, and the running node's. */
export const find = Effect.fn("Toolchains.find")(function* (given: ReadonlyArray<string>) {
  const checked = yield* Effect.forEach(given, check)
  return Array.dedupe([...checked, ...(yield* nodeInstallation)])
})
