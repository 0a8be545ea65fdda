import { faultOf, ImageManifest, imageManifestPath, mostManifestBytes } from "@bulkhead/domain"
import { FileSystem, Path } from "@effect/platform"
import { Effect, Schema } from "effect"
import { ImageUnusable } from "../HostErrors.js"
import * as ThisProcess from "../ThisProcess.js"
import { ALTERNATIVES } from "./GuestEtc.js"
import { parentsOf } from "./GuestRoot.js"

/** A tree that sandboxes are made on, beside the plain one. */
export interface ImageDirectory {
  readonly name: string
  /** Where it lies on this machine, for operators. */
  readonly place: string
  /** Absolute, without links. */
  readonly root: string
  /** Whether it is a whole system, in the place of this machine's own, or only what is added to that. */
  readonly isSystem: boolean
  /** What it shows beside the system's own directories, as places in the sandbox. */
  readonly additions: ReadonlyArray<string>
  readonly manifest: ImageManifest
  /** Whether it has programs of its own at `PROGRAMS`. */
  readonly hasPrograms: boolean
}

/** The template of the plain sandbox: the SDK's default. No image has this name. */
export const PLAIN = "base"

/** Where its manifest lies in it. */
export const MANIFEST = imageManifestPath

/** Where an image has programs that come first in PATH. */
export const PROGRAMS = "/opt/image/bin"

/** What belongs to the sandbox, or to the system that it is made from. */
const taken = new Set([
  ...["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"],
  ...["etc", "home", "root", "tmp", "run", "var", "dev", "proc", "sys"]
])

/** An image shares it with the toolchains: each of what is in it is shown for itself. */
const SHARED = "opt"

/** In a system's /var, what programs of /usr read. */
const SYSTEM_STATE = "var/lib"

/** The host's own program lies there too, so that it is no directory of the image's. */
const MANIFEST_DIRECTORY = "/opt/bulkhead"

const manifestFrom = Schema.decodeUnknown(Schema.parseJson(ImageManifest))

/** Whether something is there and a directory itself, not a link to one. */
const isDirectory = Effect.fn("ImageDirectory.isDirectory")(function* (place: string) {
  const fs = yield* FileSystem.FileSystem
  const isLink = yield* Effect.isSuccess(fs.readLink(place))
  const type = yield* Effect.option(Effect.map(fs.stat(place), ({ type }) => type))
  return !isLink && type._tag === "Some" && type.value === "Directory"
})

const READ_AND_SEARCH_BY_OTHERS = 0o005

/** A link would show another place of this machine, at whatever it leads to. */
const checkDirectories = Effect.fnUntraced(function* (root: string, place: string) {
  const fs = yield* FileSystem.FileSystem
  for (const each of [...parentsOf(place), place])
    if (!(yield* isDirectory(`${root}${each}`))) return yield* Effect.fail(`its ${each} is not a directory`)
  const { mode } = yield* fs.stat(`${root}${place}`)
  if (ThisProcess.isRoot && (mode & READ_AND_SEARCH_BY_OTHERS) !== READ_AND_SEARCH_BY_OTHERS)
    return yield* Effect.fail(`its ${place} cannot be read by other users: chmod -R go+rX it`)
})

const checkIfThere = Effect.fnUntraced(function* (root: string, place: string) {
  const fs = yield* FileSystem.FileSystem
  if (yield* fs.exists(`${root}${place}`)) yield* checkDirectories(root, place)
})

const namesIn = Effect.fnUntraced(function* (root: string, directory: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* isDirectory(`${root}/${directory}`))) return []
  const names = yield* fs.readDirectory(`${root}/${directory}`)
  return names.sort().map((name) => `/${directory}/${name}`)
})

const PLAIN_NAME = /^[^\t\n\r]+$/

const additionsIn = Effect.fnUntraced(function* (root: string, isSystem: boolean) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* fs.readDirectory(root)
  const own = names.filter((name) => !taken.has(name) && name !== SHARED).map((name) => `/${name}`)
  const refused = isSystem ? [] : names.filter((name) => taken.has(name))
  if (refused.length > 0)
    return yield* Effect.fail(
      `it has no /usr, so it may add nothing to /${refused[0]}, which is the plain sandbox's`
    )
  const state = isSystem && (yield* isDirectory(`${root}/${SYSTEM_STATE}`)) ? [`/${SYSTEM_STATE}`] : []
  const inOpt = (yield* namesIn(root, SHARED)).filter((place) => place !== MANIFEST_DIRECTORY)
  const all = [...own.sort(), ...inOpt, ...state]
  const additions = isSystem ? yield* Effect.filter(all, (place) => isDirectory(`${root}${place}`)) : all
  yield* Effect.forEach(additions, (place) => checkDirectories(root, place), { discard: true })
  if (!additions.every((place) => PLAIN_NAME.test(place)))
    return yield* Effect.fail("a directory in it has a tab or a line break in its name")
  return additions
})

const readManifest = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const file = `${root}${MANIFEST}`
  if (!(yield* fs.exists(file))) return yield* Effect.fail(`it has no ${MANIFEST}; npm run image makes one`)
  yield* checkDirectories(root, MANIFEST_DIRECTORY)
  if (yield* Effect.isSuccess(fs.readLink(file))) return yield* Effect.fail(`its ${MANIFEST} is a link`)
  const { size, type } = yield* fs.stat(file)
  if (type !== "File" || size > mostManifestBytes)
    return yield* Effect.fail(`its ${MANIFEST} is not a file of at most ${mostManifestBytes} bytes`)
  return yield* manifestFrom(yield* fs.readFileString(file)).pipe(
    Effect.mapError((error) => `its ${MANIFEST} is not right: ${faultOf(error, "it").message}`)
  )
})

const read = Effect.fnUntraced(function* (name: string, place: string) {
  if (name === PLAIN) return yield* Effect.fail("that is the plain sandbox's name: choose another")
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.join(
    yield* Effect.mapError(fs.realPath(place), () => "there is no such directory"),
    "root"
  )
  if (!(yield* isDirectory(root)))
    return yield* Effect.fail("it has no directory named root; npm run image makes one")
  if (!PLAIN_NAME.test(root)) return yield* Effect.fail("its path has a tab or a line break")
  const isSystem = yield* isDirectory(`${root}/usr`)
  if (isSystem) yield* Effect.forEach(["/usr", "/etc", ALTERNATIVES], (each) => checkIfThere(root, each))
  return {
    ...{ name, place, root, isSystem },
    additions: yield* additionsIn(root, isSystem),
    manifest: yield* readManifest(root),
    hasPrograms: yield* isDirectory(`${root}${PROGRAMS}`)
  } satisfies ImageDirectory
})

/** Why no sandbox can be made from it. */
export const unusable = ({ name, place }: Pick<ImageDirectory, "name" | "place">, reason: string) =>
  new ImageUnusable({ name, place, reason })

/** Reads an image directory, as `npm run image` makes them. Fails when a sandbox cannot be made from it. */
export const open = Effect.fn("ImageDirectory.open")((name: string, place: string) =>
  Effect.mapError(read(name, place), (error) =>
    unusable({ name, place }, typeof error === "string" ? error : error.message)
  )
)
