import { FileSystem, type Error as PlatformError } from "@effect/platform"
import { Effect, Option } from "effect"

const isMissing = (error: PlatformError.PlatformError) =>
  error._tag === "SystemError" && error.reason === "NotFound"

/** The text of a file without the spaces around it; none: there is no such file. */
export const read = Effect.fn("SmallFile.read")(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  return yield* files.readFileString(path).pipe(
    Effect.map((text) => Option.some(text.trim())),
    Effect.catchIf(isMissing, () => Effect.succeedNone)
  )
})

/** Puts a text in a file, for this user alone. After a crash or a power loss there is the old text or the new one. */
export const write = Effect.fn("SmallFile.write")(function* (path: string, text: string) {
  const files = yield* FileSystem.FileSystem
  const draft = `${path}.new`
  yield* files.remove(draft, { force: true })
  const file = yield* files.open(draft, { flag: "wx", mode: 0o600 })
  yield* file.writeAll(new TextEncoder().encode(`${text}\n`))
  yield* file.sync
  yield* files.rename(draft, path)
}, Effect.scoped)
