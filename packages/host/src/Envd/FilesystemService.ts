import { HttpRouter } from "@effect/platform"
import { DateTime, Effect, Schema } from "effect"
import type { SandboxTable } from "../ControlPlane/SandboxTable.js"
import * as GuestFiles from "../Guest/GuestFiles.js"
import type { GuestSandbox } from "../Guest/GuestSandbox.js"
import { type GuestFileError, type RpcCode, RpcRefused } from "../HostErrors.js"
import { type GuestUser, homes } from "../Isolation/GuestUser.js"
import type { Isolation } from "../Isolation/Isolation.js"
import * as ConnectProtocol from "./ConnectProtocol.js"
import * as EnvdRequest from "./EnvdRequest.js"

const OnPath = Schema.Struct({ path: Schema.String })
const OnDirectory = Schema.Struct({ path: Schema.String, depth: Schema.optional(Schema.Number) })
const OnTwoPaths = Schema.Struct({ source: Schema.String, destination: Schema.String })

const codes: Record<GuestFileError["kind"], RpcCode> = {
  not_found: "not_found",
  already_exists: "already_exists",
  invalid_argument: "invalid_argument",
  permission_denied: "permission_denied",
  no_space: "resource_exhausted",
  too_large: "resource_exhausted",
  unavailable: "unavailable",
  internal: "internal"
}

const types: Record<GuestFiles.GuestEntry["kind"], string> = {
  file: "FILE_TYPE_FILE",
  directory: "FILE_TYPE_DIRECTORY",
  symlink: "FILE_TYPE_SYMLINK",
  other: "FILE_TYPE_UNSPECIFIED"
}

const marks = { file: "-", directory: "d", symlink: "L", other: "?" } as const

const permissions = (entry: GuestFiles.GuestEntry) => {
  const bits = [...(entry.mode & 0o777).toString(2).padStart(9, "0")]
  const letters = bits.map((bit, index) => (bit === "1" ? "rwx".charAt(index % 3) : "-"))
  return (entry.symlinkTarget === undefined ? marks[entry.kind] : marks.symlink) + letters.join("")
}

const owner = (id: number) => (id === 0 ? "root" : id === 1000 ? "user" : String(id))

const entryInfo = (entry: GuestFiles.GuestEntry) => ({
  name: entry.name,
  type: types[entry.kind],
  path: entry.path,
  size: String(entry.size),
  mode: entry.mode & 0o777,
  permissions: permissions(entry),
  owner: owner(entry.uid),
  group: owner(entry.gid),
  modifiedTime: DateTime.formatIso(DateTime.unsafeMake(entry.modifiedAt * 1000)),
  ...(entry.symlinkTarget === undefined ? {} : { symlinkTarget: entry.symlinkTarget })
})

const entryAnswer = (entry: GuestFiles.GuestEntry) => ({ entry: entryInfo(entry) })

type Handler<A> = (
  guest: GuestSandbox,
  user: GuestUser,
  asked: A
) => Effect.Effect<unknown, GuestFileError | RpcRefused>

const stat: Handler<typeof OnPath.Type> = (guest, user, { path }) =>
  Effect.map(GuestFiles.stat(guest, user, path), entryAnswer)

const list: Handler<typeof OnDirectory.Type> = (guest, user, { path, depth }) =>
  Effect.map(GuestFiles.list(guest, user, path, depth === undefined || depth < 1 ? 1 : depth), (entries) => ({
    entries: entries.map(entryInfo)
  }))

const makeDirectory: Handler<typeof OnPath.Type> = (guest, user, { path }) =>
  Effect.map(GuestFiles.makeDirectory(guest, user, path), entryAnswer)

const remove: Handler<typeof OnPath.Type> = (guest, user, { path }) =>
  path === "" || homes[user] === path.replace(/\/+$/, "")
    ? new RpcRefused({ code: "invalid_argument", message: "the home itself stays" })
    : Effect.as(GuestFiles.remove(guest, user, path), {})

const move: Handler<typeof OnTwoPaths.Type> = (guest, user, { source, destination }) =>
  Effect.map(GuestFiles.move(guest, user, source, destination), entryAnswer)

/** envd's `filesystem.Filesystem`, without watching. */
export const make = (sandboxes: SandboxTable, isolation: Isolation) => {
  const handle = <A, I>(schema: Schema.Schema<A, I>, handler: Handler<A>) => {
    const read = ConnectProtocol.unaryRequest(schema)
    return Effect.gen(function* () {
      const { guest } = yield* EnvdRequest.authorizedSandbox(sandboxes)
      const user = yield* EnvdRequest.basicUser(isolation.users)
      const asked = yield* read
      return ConnectProtocol.unaryResponse(yield* handler(guest, user, asked))
    }).pipe(
      Effect.catchTag("GuestFileError", (error) =>
        Effect.fail(new RpcRefused({ code: codes[error.kind], message: error.message }))
      ),
      Effect.catchTag("RpcRefused", (error) => Effect.succeed(ConnectProtocol.errorResponse(error))),
      Effect.catchTags(EnvdRequest.answer)
    )
  }
  return HttpRouter.empty.pipe(
    HttpRouter.post("/filesystem.Filesystem/Stat", handle(OnPath, stat)),
    HttpRouter.post("/filesystem.Filesystem/ListDir", handle(OnDirectory, list)),
    HttpRouter.post("/filesystem.Filesystem/MakeDir", handle(OnPath, makeDirectory)),
    HttpRouter.post("/filesystem.Filesystem/Remove", handle(OnPath, remove)),
    HttpRouter.post("/filesystem.Filesystem/Move", handle(OnTwoPaths, move))
  )
}
