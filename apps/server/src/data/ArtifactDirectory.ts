import { join } from "node:path"
import { FileSystem } from "@effect/platform"
import { Effect, Option } from "effect"

/** Where a server keeps its artifacts, whatever its name. */
export const inside = (directory: string) => join(directory, "artifacts")

/** Earlier versions had a directory for each name of a server. */
const earlierPrefix = "artifacts of "

/** An earlier version's directory of artifacts. */
export interface EarlierDirectory {
  readonly path: string
  readonly instance: string
  /** When a server of that name was last started, in milliseconds since the epoch. */
  readonly startedAt: number
}

/** The directories that earlier versions have left. */
export const ofEarlierVersions = Effect.fn("ArtifactDirectory.ofEarlierVersions")(function* (
  directory: string
) {
  const files = yield* FileSystem.FileSystem
  const names = (yield* files.readDirectory(directory)).filter((name) => name.startsWith(earlierPrefix))
  return yield* Effect.forEach(names, (name) => {
    const path = join(directory, name)
    // Each start has made `staging` anew, which changes the time of the directory.
    return Effect.map(
      files.stat(path),
      ({ mtime }): EarlierDirectory => ({
        path,
        instance: name.slice(earlierPrefix.length),
        startedAt: Option.match(mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
      })
    )
  })
})

/** Moves what earlier versions kept to where it is kept now. Can be repeated after a crash. */
export const carryOver = Effect.fn("ArtifactDirectory.carryOver")(function* (directory: string) {
  const files = yield* FileSystem.FileSystem
  const to = join(inside(directory), "kept")
  for (const { path } of yield* ofEarlierVersions(directory)) {
    const from = join(path, "kept")
    const executions = (yield* files.exists(from)) ? yield* files.readDirectory(from) : []
    yield* files.makeDirectory(to, { recursive: true, mode: 0o700 })
    yield* Effect.forEach(executions, (name) => files.rename(join(from, name), join(to, name)), {
      discard: true
    })
    yield* files.remove(path, { recursive: true })
  }
})
