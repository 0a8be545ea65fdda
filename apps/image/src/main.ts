import { homedir } from "node:os"
import { FileSystem, Path } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Logger, LogLevel } from "effect"
import * as Build from "./Build.js"
import * as Options from "./Options.js"

/** Where the server keeps its data, as its settings say. */
const dataDirectory = Config.string("SANDBOX_DATA_DIR").pipe(
  Config.orElse(() => Config.map(Config.string("XDG_STATE_HOME"), (state) => `${state}/bulkhead`)),
  Config.withDefault(`${homedir()}/.local/state/bulkhead`)
)

/** The rows that are shipped, beside the bundle. */
const shipped = new URL("./languages", import.meta.url).pathname

const main = Effect.gen(function* () {
  const args = process.argv.slice(2)
  if (args.includes("--help")) return yield* Console.log(Options.usage)
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const options = yield* Options.parse(args)
  const place = path.resolve(options.place ?? `${yield* dataDirectory}/images/${options.name}`)
  yield* Build.build(options, place, shipped).pipe(
    Logger.withMinimumLogLevel(options.verbose ? LogLevel.Debug : LogLevel.Info)
  )
  yield* Console.log(
    `The image is at ${yield* fs.realPath(place)}. To use it:\n\nSANDBOX_IMAGES=${options.name}=${place} npm start`
  )
})

main.pipe(
  Effect.provide(NodeContext.layer),
  Effect.tapError(({ message }) => Console.error(`image: ${message}`)),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
