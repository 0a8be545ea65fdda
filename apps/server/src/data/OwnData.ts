import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, Layer, Option } from "effect"
import { StoreConfig } from "../settings/StoreConfig.js"
import { variables } from "../settings/Variables.js"

/**
 * The store's settings for a process beside which a server, or another client's process, may be at work: without a
 * directory of its own it has one that is gone with it. No event is written to stdout.
 */
export const layer = Layer.scoped(
  StoreConfig,
  Effect.gen(function* () {
    const settings = yield* StoreConfig
    const files = yield* FileSystem.FileSystem
    const chosen = yield* variables.dataDirectory.config
    const directory = yield* Option.match(chosen, {
      onNone: () => files.makeTempDirectoryScoped({ prefix: "bulkhead-own-" }),
      onSome: Effect.succeed
    })
    return { ...settings, directory, logsEvents: false }
  })
).pipe(Layer.provide(NodeFileSystem.layer))
