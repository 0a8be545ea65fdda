import type { Stats } from "node:fs"
import { lstat, readdir, realpath } from "node:fs/promises"
import { join } from "node:path"
import { ConfigError, Effect, Predicate } from "effect"

const refusal = (message: string) => ConfigError.InvalidData(["SANDBOX_DATA_DIR"], message)

const ownUser = Effect.sync(() => process.geteuid?.() ?? 0)

const isStranger = (user: number, { uid }: Stats) => uid !== user && uid !== 0

const ofStranger = (user: number, path: string, { uid }: Stats) =>
  refusal(
    `${path} belongs to user ${uid}, who could read and change everything; expected user ${user} or root: ` +
      `chown -R ${user} it, or name another directory`
  )

const othersMayWrite = 0o022

const octal = (mode: number) => (mode & 0o777).toString(8)

/** Why a file or a directory is not ours alone to write. */
const faultOf = (user: number, path: string, stats: Stats) => {
  if (stats.isSymbolicLink())
    return refusal(`${path} is a symbolic link, which may lead anywhere; put the file itself in its place`)
  if (!stats.isFile() && !stats.isDirectory())
    return refusal(`${path} is neither a file nor a directory; remove it, or name another directory`)
  if (isStranger(user, stats)) return ofStranger(user, path, stats)
  if ((stats.mode & othersMayWrite) !== 0)
    return refusal(`${path} can be written by other users, its mode is ${octal(stats.mode)}; chmod go-w it`)
  return undefined
}

const attempt = <A>(look: () => Promise<A>) => Effect.tryPromise({ try: look, catch: (error) => error })

const isGone = (error: unknown) => Predicate.hasProperty(error, "code") && error.code === "ENOENT"

const checkOne = (user: number, path: string) =>
  attempt(() => lstat(path)).pipe(
    Effect.map((stats) => faultOf(user, path, stats)),
    Effect.flatMap((found) => (found === undefined ? Effect.void : Effect.fail(found))),
    // SQLite's own files come and go.
    Effect.catchIf(isGone, () => Effect.void)
  )

const checkInside = Effect.fnUntraced(function* (user: number, directory: string) {
  const names = yield* attempt(() => readdir(directory))
  yield* Effect.forEach(names, (name) => checkOne(user, join(directory, name)), { discard: true })
  return names
})

/**
 * Fails unless a directory and what the server keeps in it belong to this user or to root, nobody else may write there,
 * and no link leads elsewhere. The directory itself may be reached by a link that this user or root has made.
 */
export const check = Effect.fnUntraced(function* (directory: string) {
  const user = yield* ownUser
  const link = yield* attempt(() => lstat(directory))
  if (isStranger(user, link)) return yield* Effect.fail(ofStranger(user, directory, link))
  const path = yield* attempt(() => realpath(directory))
  yield* checkOne(user, path)
  const names = yield* checkInside(user, path)
  // Further down are files, under names that are hashes or ids.
  const directories = names.filter((name) => name.startsWith("artifacts") || name === "uploads")
  yield* Effect.forEach(directories, (name) => checkInside(user, join(path, name)), { discard: true })
})
