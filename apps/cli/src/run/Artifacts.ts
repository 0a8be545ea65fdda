import { createHash, randomUUID } from "node:crypto"
import { type Artifact, flawOfPath, Harmless } from "@bulkhead/domain"
import { FileSystem, Path } from "@effect/platform"
import { Data, Effect } from "effect"
import { Failure } from "../Failure.js"
import type { Connection } from "../server/Connection.js"

/** Why one file was not saved. */
export class NotSaved extends Data.TaggedError("NotSaved")<{ readonly message: string }> {}

export interface Place {
  readonly directory: string
  /** Whether files that are there are replaced. */
  readonly overwrite: boolean
}

const notSaved = (name: string, why: string) =>
  new NotSaved({ message: `${Harmless.line(name)}: not saved, ${why}` })

/** The directory that is to hold a file, once it is there. A symbolic link must not lead out of the whole. */
const parentOf = Effect.fnUntraced(function* (name: string, directory: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const parent = path.dirname(path.join(directory, name))
  yield* files.makeDirectory(parent, { recursive: true })
  const [whole, real] = yield* Effect.all([files.realPath(directory), files.realPath(parent)])
  if (real !== whole && !real.startsWith(whole === path.sep ? whole : `${whole}${path.sep}`))
    return yield* notSaved(name, "a link leads out of the directory of --out")
  return real
})

/** Whole or not at all, under its name: a link fails where something is, and a rename replaces it. */
const put = Effect.fnUntraced(function* (name: string, bytes: Uint8Array, { directory, overwrite }: Place) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const parent = yield* parentOf(name, directory)
  const target = path.join(parent, path.basename(name))
  const beside = path.join(parent, `.${randomUUID()}.part`)
  yield* files
    .writeFile(beside, bytes, { flag: "wx" })
    .pipe(
      Effect.zipRight(overwrite ? files.rename(beside, target) : files.link(beside, target)),
      Effect.ensuring(Effect.ignore(files.remove(beside, { force: true })))
    )
  return target
})

/** Saves one file under its name in a directory, never outside it. */
const save = Effect.fn("Artifacts.save")(function* (
  { client, ask }: Connection,
  executionId: string,
  { name, sha256 }: Artifact,
  place: Place
) {
  const flaw = flawOfPath(name)
  if (flaw !== undefined) return yield* notSaved(name, `since as a name ${flaw}`)
  const bytes = yield* Effect.mapError(
    ask(client.artifacts.read({ path: { executionId, name }, headers: {} })),
    ({ message }) => notSaved(name, message)
  )
  if (createHash("sha256").update(bytes).digest("hex") !== sha256)
    return yield* notSaved(name, "what came is not what the result names")
  return yield* Effect.mapError(put(name, bytes, place), (error) => {
    if (error._tag === "NotSaved") return error
    return error._tag === "SystemError" && error.reason === "AlreadyExists"
      ? notSaved(name, "there is a file of this name; --overwrite replaces it")
      : notSaved(name, "it cannot be written there")
  })
})

/** The directory, made if it is missing. Found out before anything runs. */
export const prepare = Effect.fn("Artifacts.prepare")(function* (directory: string) {
  const files = yield* FileSystem.FileSystem
  yield* files.makeDirectory(directory, { recursive: true }).pipe(
    Effect.zipRight(files.access(directory, { writable: true })),
    Effect.mapError(
      () =>
        new Failure({ message: `--out: ${Harmless.line(directory)} is no directory that can be written to` })
    )
  )
})

/** Saves all files, one by one. What became of each. */
export const saveAll = (
  connection: Connection,
  executionId: string,
  artifacts: ReadonlyArray<Artifact>,
  place: Place
) => Effect.forEach(artifacts, (artifact) => Effect.either(save(connection, executionId, artifact, place)))
