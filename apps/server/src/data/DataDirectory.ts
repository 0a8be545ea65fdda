import { dirname, resolve } from "node:path"
import { FileSystem, type Error as PlatformError } from "@effect/platform"
import { ConfigError, Effect } from "effect"
import { reasonOf } from "./Reason.js"

/** How long the file system may take to answer. */
const patience = "5 seconds"

const cannotBeWritten = (path: string, reason: string) =>
  ConfigError.InvalidData(["SANDBOX_DATA_DIR"], `${path} cannot be written: ${reason}`)

/** A failure to use a path in the data directory, as one of the variable that names it. */
export const failure = (path: string) => (error: unknown) => cannotBeWritten(path, reasonOf(error))

const exists = (error: PlatformError.PlatformError) =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

/** One by one, since Node's own `recursive` never ends in a place that takes no directories, such as /proc. */
const make = (directory: string): Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    Effect.suspend(() => make(dirname(directory))).pipe(
      Effect.zipRight(files.makeDirectory(directory, { mode: 0o700 })),
      Effect.catchIf(exists, () => Effect.void),
      Effect.unlessEffect(files.exists(directory))
    )
  )

const write = Effect.fnUntraced(function* (directory: string) {
  const files = yield* FileSystem.FileSystem
  yield* make(directory)
  yield* Effect.scoped(files.makeTempDirectoryScoped({ directory, prefix: ".writable-" }))
})

/** Makes the directory, if it is missing, for this user alone. Fails when nothing can be written there. */
export const ensure = (directory: string) => {
  const path = resolve(directory)
  return write(path).pipe(
    Effect.mapError(failure(path)),
    Effect.disconnect,
    Effect.timeoutFail({
      duration: patience,
      onTimeout: () => cannotBeWritten(path, `no answer within ${patience}`)
    }),
    Effect.withSpan("DataDirectory.ensure")
  )
}
