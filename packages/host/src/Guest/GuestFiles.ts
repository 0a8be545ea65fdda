import { Chunk, Effect, Option, Ref, Schema, type Scope, Stream } from "effect"
import { GuestFileError, GuestFileErrorKind, type RpcRefused } from "../HostErrors.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as GuestProcess from "./GuestProcess.js"
import type { GuestSandbox } from "./GuestSandbox.js"
import type { ProcessEvent } from "./ProcessEvent.js"

/** A file, directory or link in a sandbox. */
export interface GuestEntry {
  readonly name: string
  readonly kind: "file" | "directory" | "symlink" | "other"
  readonly path: string
  readonly size: number
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly modifiedAt: number
  readonly symlinkTarget?: string
}

/** A file's bytes, on the way; `size` is what it had when it was opened, 0 for files of /proc too. */
export interface GuestFile {
  readonly size: number
  readonly content: Stream.Stream<Uint8Array, GuestFileError>
}

const MOST_LISTING_BYTES = 16 * 1024 * 1024
const FIELDS = 9
const kinds = { f: "file", d: "directory", l: "symlink" } as const

const parseEntries = (text: string): ReadonlyArray<GuestEntry> => {
  const fields = text.split("\0")
  const entries: Array<GuestEntry> = []
  for (let at = 0; at + FIELDS < fields.length; at += FIELDS) {
    const [name = "", kind = "", path = "", size, mode, uid, gid, modifiedAt, target = ""] = fields.slice(at)
    entries.push({
      name,
      kind: kinds[kind as keyof typeof kinds] ?? "other",
      path,
      size: Number(size),
      mode: Number(mode),
      uid: Number(uid),
      gid: Number(gid),
      modifiedAt: Number(modifiedAt),
      ...(target === "" ? {} : { symlinkTarget: target })
    })
  }
  return entries
}

const fromRpc = (error: RpcRefused) =>
  new GuestFileError({
    kind: error.code === "unavailable" || error.code === "invalid_argument" ? error.code : "internal",
    message: error.message
  })

const isKind = Schema.is(GuestFileErrorKind)

/** The operation's own account of why it failed: "kind NUL message", or what a command said. */
const failure = (errors: string): GuestFileError => {
  const [kind, message] = errors.split("\0")
  if (message !== undefined) return new GuestFileError({ kind: isKind(kind) ? kind : "internal", message })
  const denied = /permission denied|not permitted|read-only/i.test(errors)
  return new GuestFileError({
    kind: denied ? "permission_denied" : "internal",
    message: errors.trim() || "the operation was ended"
  })
}

/** The operation's standard output; fails with its account when it did not succeed. */
const output = (started: GuestProcess.Started): Stream.Stream<Buffer, GuestFileError> =>
  Stream.unwrap(
    Effect.map(Ref.make(""), (errors) =>
      started.subscriber.events.pipe(
        Stream.mapError(fromRpc),
        Stream.mapEffect((event) => judge(event, errors)),
        Stream.filterMap((bytes) => bytes)
      )
    )
  )

const judge = (event: ProcessEvent, errors: Ref.Ref<string>) => {
  if (event._tag === "Data" && event.channel === "stdout") return Effect.succeed(Option.some(event.bytes))
  if (event._tag === "Data")
    return Effect.as(
      Ref.update(errors, (text) => (text + event.bytes.toString()).slice(0, 4096)),
      Option.none()
    )
  if (event._tag === "End" && event.status !== 0)
    return Effect.flatMap(Ref.get(errors), (text) => Effect.fail(failure(text)))
  return Effect.succeed(Option.none())
}

const collect = (started: GuestProcess.Started) =>
  output(started).pipe(
    Stream.runFoldEffect({ size: 0, parts: [] as Array<Buffer> }, (all, bytes) => {
      all.parts.push(bytes)
      const size = all.size + bytes.length
      return size > MOST_LISTING_BYTES
        ? Effect.fail(new GuestFileError({ kind: "too_large", message: "the listing is too large" }))
        : Effect.succeed({ size, parts: all.parts })
    }),
    Effect.map(({ parts }) => Buffer.concat(parts).toString())
  )

/** An operation that dies with its scope, whether or not it has ended. */
const begin = (
  sandbox: GuestSandbox,
  user: GuestUser,
  operation: ReadonlyArray<string>,
  input: boolean
): Effect.Effect<GuestProcess.Started, GuestFileError, Scope.Scope> =>
  sandbox.operateOnFiles(user, operation, input).pipe(
    Effect.mapError(fromRpc),
    Effect.tap(({ process }) => Effect.addFinalizer(() => GuestProcess.kill(process)))
  )

const operate = (sandbox: GuestSandbox, user: GuestUser, operation: ReadonlyArray<string>) =>
  begin(sandbox, user, operation, false).pipe(
    Effect.flatMap(collect),
    Effect.scoped,
    Effect.map(parseEntries)
  )

const single = (entries: ReadonlyArray<GuestEntry>) =>
  entries[0] === undefined
    ? Effect.fail(new GuestFileError({ kind: "internal", message: "the operation gave no answer" }))
    : Effect.succeed(entries[0])

export const stat = Effect.fn("GuestFiles.stat")(
  (sandbox: GuestSandbox, user: GuestUser, path: string) => operate(sandbox, user, ["stat", path]),
  Effect.flatMap(single)
)

/** Everything below a directory down to `depth` levels, in lexical order. */
export const list = Effect.fn("GuestFiles.list")(
  (sandbox: GuestSandbox, user: GuestUser, path: string, depth: number) =>
    operate(sandbox, user, ["list", path, String(depth)])
)

/** Makes a directory and its parents; fails when there is something already. */
export const makeDirectory = Effect.fn("GuestFiles.makeDirectory")(
  (sandbox: GuestSandbox, user: GuestUser, path: string) => operate(sandbox, user, ["mkdir", path]),
  Effect.flatMap(single)
)

/** Removes whatever is there; no failure when nothing is. */
export const remove = Effect.fn("GuestFiles.remove")(
  (sandbox: GuestSandbox, user: GuestUser, path: string) => operate(sandbox, user, ["remove", path]),
  Effect.asVoid
)

export const move = Effect.fn("GuestFiles.move")(
  (sandbox: GuestSandbox, user: GuestUser, source: string, destination: string) =>
    operate(sandbox, user, ["move", source, destination]),
  Effect.flatMap(single)
)

/** Writes a file as its user, with the directories it lies in; what was there before is replaced. */
export const write = Effect.fn("GuestFiles.write")(
  <E, R>(
    sandbox: GuestSandbox,
    user: GuestUser,
    path: string,
    content: Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<ReadonlyArray<GuestEntry>, E | GuestFileError, R> =>
    Effect.gen(function* () {
      const started = yield* begin(sandbox, user, ["write", path], true)
      // A refused input means that the operation has ended early: its own account says why.
      yield* content.pipe(
        Stream.runForEach((bytes) => started.process.sendInput(bytes)),
        Effect.catchIf(isRefusedInput, () => Effect.void)
      )
      yield* started.process.closeInput
      return parseEntries(yield* collect(started))
    }).pipe(Effect.scoped),
  Effect.flatMap(single)
)

const isRefusedInput = (error: unknown): error is RpcRefused =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "RpcRefused"

/** Opens a regular file and reads it as it is asked for; the operation ends with the scope. */
export const read = Effect.fn("GuestFiles.read")(function* (
  sandbox: GuestSandbox,
  user: GuestUser,
  path: string
) {
  const started = yield* begin(sandbox, user, ["read", path], false)
  const pull = yield* Stream.toPull(output(started))
  const head = yield* Effect.mapError(
    Effect.repeat(pull, { until: Chunk.isNonEmpty }),
    Option.getOrElse(() => new GuestFileError({ kind: "internal", message: "the operation gave no answer" }))
  )
  // The agent writes the size and a NUL in one piece, before the content.
  const bytes = Buffer.concat(Chunk.toReadonlyArray(head))
  const end = bytes.indexOf(0)
  return {
    size: Number(bytes.subarray(0, end).toString()),
    content: Stream.concat(Stream.make(bytes.subarray(end + 1)), Stream.fromPull(Effect.succeed(pull))).pipe(
      Stream.filter((part) => part.length > 0)
    )
  } satisfies GuestFile
})
