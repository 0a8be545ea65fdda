import { Effect, HashMap, Option, Ref } from "effect"
import { GuestFileError } from "../HostErrors.js"

/** What clients have noted about a file. */
export type Metadata = Readonly<Record<string, string>>

/** Most characters of all paths and metadata that are kept for one sandbox. */
const MOST_KEPT = 1024 * 1024

const none: Metadata = {}

type Files = HashMap.HashMap<string, Metadata>

const sizeOf = (files: Files) =>
  HashMap.reduce(files, 0, (sum, metadata, path) => sum + path.length + JSON.stringify(metadata).length)

const isAtOrBelow = (path: string, directory: string) =>
  path === directory || path.startsWith(`${directory}/`)

/**
 * The metadata of a sandbox's files, by absolute path. envd keeps it in extended attributes, which the sandbox's file
 * system has only from Linux 6.6 on, so the host keeps it. Programs do not see it, and when they move a file, it stays.
 */
export class FileMetadata {
  private readonly files: Ref.Ref<Files>

  constructor(files: Ref.Ref<Files>) {
    this.files = files
  }

  static readonly make: Effect.Effect<FileMetadata> = Effect.map(
    Ref.make<Files>(HashMap.empty()),
    (files) => new FileMetadata(files)
  )

  /** What is noted about each path. */
  readonly lookup = Effect.suspend(() =>
    Effect.map(
      Ref.get(this.files),
      (files) => (path: string) => Option.getOrElse(HashMap.get(files, path), () => none)
    )
  )

  /** Replaces what is noted about a file. */
  set(path: string, metadata: Metadata): Effect.Effect<void, GuestFileError> {
    if (Object.keys(metadata).length === 0) return Ref.update(this.files, HashMap.remove(path))
    return Effect.flatMap(Ref.get(this.files), (files) => {
      const next = HashMap.set(files, path, metadata)
      if (sizeOf(next) <= MOST_KEPT) return Ref.set(this.files, next)
      return new GuestFileError({
        kind: "no_space",
        message: "the metadata of this sandbox's files is too large"
      })
    })
  }

  /** A file or directory has been removed. */
  remove(path: string): Effect.Effect<void> {
    return Ref.update(
      this.files,
      HashMap.filter((_, each) => !isAtOrBelow(each, path))
    )
  }

  /** A file or directory has been moved. */
  move(source: string, destination: string): Effect.Effect<void> {
    return Ref.update(this.files, (files) =>
      HashMap.fromIterable(
        HashMap.toEntries(HashMap.filter(files, (_, each) => !isAtOrBelow(each, destination))).map(
          ([path, metadata]) =>
            [isAtOrBelow(path, source) ? destination + path.slice(source.length) : path, metadata] as const
        )
      )
    )
  }
}
