import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { Array as Arr, ConfigError, Context, Effect, Layer, Option, Order } from "effect"
import * as Formats from "../settings/Formats.js"
import { ServerConfig } from "../settings/ServerConfig.js"
import * as ArtifactDirectory from "./ArtifactDirectory.js"
import { DataDirectory, failure } from "./DataDirectory.js"
import * as SmallFile from "./SmallFile.js"

const noName = (file: string) =>
  ConfigError.InvalidData(
    ["SANDBOX_INSTANCE"],
    `${file} holds no name of a server, ${Formats.word.takes}; set the variable to the name that it had`
  )

const lastStarted = Order.mapInput(Order.number, (one: ArtifactDirectory.EarlierDirectory) => one.startedAt)

/** Earlier versions named a server by its host and port unless told otherwise, and wrote down the name there alone. */
const ofEarlierVersion = (directory: string) =>
  Effect.map(ArtifactDirectory.ofEarlierVersions(directory), (found) =>
    Arr.isNonEmptyReadonlyArray(found) ? Arr.max(found, lastStarted).instance : randomUUID()
  )

/** The name that was given, or else the one that the directory had, or else a new one. Kept from now on. */
const settle = Effect.fn("Instance.settle")(function* (given: Option.Option<string>, directory: string) {
  const file = join(directory, "instance")
  const kept = yield* SmallFile.read(file)
  const earlier = Option.match(kept, {
    onNone: () => ofEarlierVersion(directory),
    onSome: (text) => Effect.mapError(Formats.word.parse(text), () => noName(file))
  })
  const name = Option.isSome(given) ? given.value : yield* earlier
  if (!Option.contains(kept, name)) yield* SmallFile.write(file, name)
  return name
})

/** This server's name among those that share an E2B account or a database. The same whatever its host and port. */
export class Instance extends Context.Tag("@bulkhead/server/Instance")<Instance, string>() {
  /** As the settings say, or as the data directory has kept it. */
  static readonly layer = Layer.effect(
    Instance,
    Effect.flatMap(Effect.all([DataDirectory, ServerConfig]), ([directory, { instance }]) =>
      Effect.mapError(settle(instance, directory), (error) =>
        ConfigError.isConfigError(error) ? error : failure(directory)(error)
      )
    )
  ).pipe(Layer.provide(NodeFileSystem.layer))
}
