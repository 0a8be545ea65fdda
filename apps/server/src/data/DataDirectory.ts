import { dirname, resolve } from "node:path"
import { FileSystem, type Error as PlatformError } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { ConfigError, Context, Effect, Layer } from "effect"
import { reasonOf } from "../Reason.js"
import { StoreConfig } from "../settings/StoreConfig.js"
import * as DirectoryLock from "./DirectoryLock.js"
import * as Ownership from "./Ownership.js"

/** How long the file system may take to answer. */
const patience = "5 seconds"

const cannotBeWritten = (path: string, reason: string) =>
  ConfigError.InvalidData(
    ["SANDBOX_DATA_DIR"],
    `${path} cannot be written: ${reason}; name a directory with free space that the server's user may write`
  )

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

const tryWriting = (directory: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    Effect.scoped(files.makeTempDirectoryScoped({ directory, prefix: ".writable-" }))
  )

const prepare = (path: string) =>
  make(path).pipe(
    Effect.zipRight(tryWriting(path)),
    Effect.zipRight(Ownership.check(path)),
    Effect.mapError((error) => (ConfigError.isConfigError(error) ? error : failure(path)(error))),
    Effect.disconnect,
    Effect.timeoutFail({
      duration: patience,
      onTimeout: () => cannotBeWritten(path, `no answer within ${patience}`)
    })
  )

/** Makes the directory, if it is missing, for this user alone, and holds it for the life of the scope. */
const open = Effect.fn("DataDirectory.open")(function* (directory: string) {
  const path = resolve(directory)
  yield* prepare(path)
  yield* DirectoryLock.take(path)
  return path
})

/** The absolute path of the data directory, which is this server's alone as long as it lives. */
export class DataDirectory extends Context.Tag("@bulkhead/server/DataDirectory")<DataDirectory, string>() {
  /** The one that the settings name. Fails, naming the variable, when it cannot be used or is in use. */
  static readonly layer = Layer.scoped(
    DataDirectory,
    Effect.flatMap(StoreConfig, ({ directory }) => open(directory))
  ).pipe(Layer.provide(NodeFileSystem.layer))
}
