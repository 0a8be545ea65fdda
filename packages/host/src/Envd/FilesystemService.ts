import { Effect, Schema } from "effect"
import type { SandboxTable } from "../ControlPlane/SandboxTable.js"
import type { GuestEntry } from "../Guest/GuestEntry.js"
import * as GuestFiles from "../Guest/GuestFiles.js"
import * as GuestPath from "../Guest/GuestPath.js"
import type { GuestSandbox } from "../Guest/GuestSandbox.js"
import { type GuestFileError, type RpcCode, RpcRefused } from "../HostErrors.js"
import type { Route } from "../Http/Routes.js"
import { type GuestUser, homes } from "../Isolation/GuestUser.js"
import * as EntryInfo from "./EntryInfo.js"
import * as RpcRoute from "./RpcRoute.js"

/** An empty path, which protobuf's JSON leaves out, is the home. */
const Path = Schema.optionalWith(Schema.String, { default: () => "" })
const OnPath = Schema.Struct({ path: Path })
const Depth = Schema.Number.pipe(
  Schema.filter((depth) => Number.isInteger(depth) && depth >= 0 && depth < 2 ** 32, {
    description: "a whole number, 0 or more"
  })
)
const OnDirectory = Schema.Struct({ path: Path, depth: Schema.optional(Depth) })
const OnTwoPaths = Schema.Struct({ source: Path, destination: Path })

const codes: Record<GuestFileError["kind"], RpcCode> = {
  not_found: "not_found",
  already_exists: "already_exists",
  invalid_argument: "invalid_argument",
  permission_denied: "permission_denied",
  no_space: "resource_exhausted",
  // Of what is exhausted, clients think that it passes.
  too_large: "invalid_argument",
  unavailable: "unavailable",
  internal: "internal"
}

const refusalOf = ({ kind, message }: GuestFileError) => new RpcRefused({ code: codes[kind], message })

const entryAnswer = (entry: GuestEntry) => ({ entry: EntryInfo.make(entry) })

type Operation<A> = (
  guest: GuestSandbox,
  user: GuestUser,
  asked: A
) => Effect.Effect<unknown, GuestFileError | RpcRefused>

const stat: Operation<typeof OnPath.Type> = (guest, user, { path }) =>
  Effect.map(GuestFiles.stat(guest, user, path), entryAnswer)

const list: Operation<typeof OnDirectory.Type> = (guest, user, { depth = 1, path }) =>
  Effect.map(GuestFiles.list(guest, user, path, Math.max(1, depth)), (entries) => ({
    entries: entries.map(EntryInfo.make)
  }))

const makeDirectory: Operation<typeof OnPath.Type> = (guest, user, { path }) =>
  Effect.map(GuestFiles.makeDirectory(guest, user, path), entryAnswer)

/** A sandbox has them for good. Only what is in them could be removed or moved, before that is refused. */
const lasting = [...Object.values(homes), "/tmp", "/dev/shm"]

/** Refuses what would empty one of them. */
const checkLeaves = (field: string, user: GuestUser, path: string) => {
  const above = `${GuestPath.absolute(user, path)}/`.replace("//", "/")
  const lost = lasting.find((directory) => `${directory}/`.startsWith(above))
  return lost === undefined
    ? Effect.void
    : new RpcRefused({ code: "invalid_argument", message: `${field} must leave ${lost} where it is` })
}

const remove: Operation<typeof OnPath.Type> = (guest, user, { path }) =>
  Effect.zipRight(checkLeaves("path", user, path), Effect.as(GuestFiles.remove(guest, user, path), {}))

const move: Operation<typeof OnTwoPaths.Type> = (guest, user, { destination, source }) =>
  Effect.zipRight(
    checkLeaves("source", user, source),
    Effect.map(GuestFiles.move(guest, user, source, destination), entryAnswer)
  )

/** envd's `filesystem.Filesystem`, without watching. */
export const routes = (sandboxes: SandboxTable, users: ReadonlyArray<GuestUser>): ReadonlyArray<Route> => {
  const rpc = RpcRoute.make(sandboxes, users)
  const route = <A, I>(method: string, schema: Schema.Schema<A, I>, operation: Operation<A>) =>
    rpc.unary(`/filesystem.Filesystem/${method}`, schema, (asked, { guest, user }) =>
      Effect.flatMap(user, (runAs) => operation(guest, runAs, asked)).pipe(
        Effect.catchTag("GuestFileError", (error) => Effect.fail(refusalOf(error)))
      )
    )
  return [
    route("Stat", OnPath, stat),
    route("ListDir", OnDirectory, list),
    route("MakeDir", OnPath, makeDirectory),
    route("Remove", OnPath, remove),
    route("Move", OnTwoPaths, move),
    rpc.others("filesystem.Filesystem")
  ]
}
