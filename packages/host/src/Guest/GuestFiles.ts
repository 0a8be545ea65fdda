import { Effect } from "effect"
import { GuestFileError } from "../HostErrors.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as FileOperation from "./FileOperation.js"
import * as GuestEntry from "./GuestEntry.js"
import * as GuestPath from "./GuestPath.js"
import type { GuestSandbox } from "./GuestSandbox.js"

/** What an operation says, as entries. */
export const entriesIn = (sandbox: GuestSandbox, text: string) =>
  Effect.map(sandbox.fileMetadata.lookup, (metadataOf) => GuestEntry.parse(text, metadataOf))

/** What an operation says, as its one entry. */
export const entryIn = (sandbox: GuestSandbox, text: string) =>
  Effect.flatMap(entriesIn(sandbox, text), ([entry]) =>
    entry === undefined
      ? new GuestFileError({ kind: "internal", message: "the operation gave no answer" })
      : Effect.succeed(entry)
  )

const operate = (sandbox: GuestSandbox, user: GuestUser, operation: ReadonlyArray<string>) =>
  Effect.scoped(Effect.flatMap(FileOperation.start(sandbox, user, operation, false), FileOperation.collect))

export const stat = Effect.fn("GuestFiles.stat")(function* (
  sandbox: GuestSandbox,
  user: GuestUser,
  path: string
) {
  return yield* entryIn(sandbox, yield* operate(sandbox, user, ["stat", path]))
})

/** Everything below a directory down to `depth` levels, in lexical order. */
export const list = Effect.fn("GuestFiles.list")(function* (
  sandbox: GuestSandbox,
  user: GuestUser,
  path: string,
  depth: number
) {
  return yield* entriesIn(sandbox, yield* operate(sandbox, user, ["list", path, String(depth)]))
})

/** Makes a directory and its parents; fails when there is something already. */
export const makeDirectory = Effect.fn("GuestFiles.makeDirectory")(function* (
  sandbox: GuestSandbox,
  user: GuestUser,
  path: string
) {
  return yield* entryIn(sandbox, yield* operate(sandbox, user, ["mkdir", path]))
})

/** Removes whatever is there; no failure when nothing is. */
export const remove = Effect.fn("GuestFiles.remove")(function* (
  sandbox: GuestSandbox,
  user: GuestUser,
  path: string
) {
  yield* operate(sandbox, user, ["remove", path])
  yield* sandbox.fileMetadata.remove(GuestPath.absolute(user, path))
})

export const move = Effect.fn("GuestFiles.move")(function* (
  sandbox: GuestSandbox,
  user: GuestUser,
  source: string,
  destination: string
) {
  const said = yield* operate(sandbox, user, ["move", source, destination])
  yield* sandbox.fileMetadata.move(GuestPath.absolute(user, source), GuestPath.absolute(user, destination))
  return yield* entryIn(sandbox, said)
})
