import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { DataDirectory, failure } from "./DataDirectory.js"
import * as SmallFile from "./SmallFile.js"

/** A new life of the server: what it calls itself in the database, and what the one before it did. */
export const make = Effect.gen(function* () {
  const file = join(yield* DataDirectory, "holder")
  const former = yield* Effect.mapError(SmallFile.read(file), failure(file))
  const name = yield* Effect.sync(() => randomUUID())
  return {
    name,
    /** Whether this is the life before, which is dead, since this one holds the directory. */
    isFormer: (other: string) => Option.contains(former, other),
    /** Writes the name down for the next life. */
    keep: Effect.mapError(SmallFile.write(file, name), failure(file))
  }
})
