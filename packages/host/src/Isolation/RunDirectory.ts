import { FileSystem, Path } from "@effect/platform"
import { Effect, Option } from "effect"
import { IsolationUnavailable } from "../HostErrors.js"
import * as HostInstance from "../HostInstance.js"
import * as ThisProcess from "../ThisProcess.js"

/** No other user may be able to write where sandboxes take their files from. */
const checkOwner = Effect.fn("RunDirectory.checkOwner")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* fs.stat(directory)
  const owner = Option.getOrElse(info.uid, () => -1)
  const target = yield* fs.realPath(directory)
  if (owner === ThisProcess.uid && (info.mode & 0o022) === 0 && target === directory) return
  return yield* new IsolationUnavailable({
    reason: `${directory} is not a directory of this user alone`,
    remedy: `rm -rf ${directory}`
  })
})

/** Removes the directories of hosts that died without cleaning up. */
const reapDead = Effect.fn("RunDirectory.reapDead")(function* (parent: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(parent)
  yield* Effect.forEach(
    names,
    (name) =>
      Effect.unlessEffect(
        Effect.ignore(fs.remove(path.join(parent, name), { recursive: true, force: true })),
        HostInstance.isAlive(name)
      ),
    { discard: true }
  )
})

/**
 * The directory of a running host: what every sandbox is made from, and the socket that agents connect to.
 * Removed with the scope; directories of dead hosts are removed at the next start.
 */
export const make = Effect.fn("RunDirectory.make")(
  function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const parent = ThisProcess.isRoot ? "/run/bulkhead-host" : `/tmp/bulkhead-host-${ThisProcess.uid}`
    yield* fs.makeDirectory(parent, { recursive: true, mode: 0o755 })
    yield* checkOwner(parent)
    yield* reapDead(parent)
    const prefix = `${yield* HostInstance.name}-`
    const directory = yield* Effect.acquireRelease(
      fs.makeTempDirectory({ directory: parent, prefix }),
      (made) => Effect.ignore(fs.remove(made, { recursive: true, force: true }))
    )
    yield* fs.chmod(directory, 0o755)
    // Only the launcher may connect here.
    yield* fs.makeDirectory(path.join(directory, "control"), { mode: 0o700 })
    return directory
  },
  Effect.catchTags({
    BadArgument: (error) => refuse(error.message),
    SystemError: (error) => refuse(error.message)
  })
)

const refuse = (reason: string) =>
  new IsolationUnavailable({
    reason,
    remedy: "make /run (as root) or /tmp (as another user) writable for this user"
  })
