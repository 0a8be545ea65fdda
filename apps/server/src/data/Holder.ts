import { randomUUID } from "node:crypto"
import { join } from "node:path"
import type { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { type ConfigError, Context, Effect, Layer, type Option } from "effect"
import { DataDirectory, failure } from "./DataDirectory.js"
import * as SmallFile from "./SmallFile.js"

/** A new life of the server: what it calls itself in the database, and what the one before it did. */
export class Holder extends Context.Tag("@bulkhead/server/Holder")<
  Holder,
  {
    readonly name: string
    /** The life before, which is dead, since this one holds the directory. */
    readonly former: Option.Option<string>
    /** Writes the name down for the next life. */
    readonly keep: Effect.Effect<void, ConfigError.ConfigError>
  }
>() {
  static readonly layer = Layer.effect(
    Holder,
    Effect.gen(function* () {
      const file = join(yield* DataDirectory, "holder")
      const former = yield* Effect.mapError(SmallFile.read(file), failure(file))
      const name = yield* Effect.sync(() => randomUUID())
      const keep = Effect.mapError(SmallFile.write(file, name), failure(file))
      return { name, former, keep: Effect.provide(keep, yield* Effect.context<FileSystem.FileSystem>()) }
    })
  ).pipe(Layer.provide(NodeFileSystem.layer))
}
