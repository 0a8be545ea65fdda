import { ImageManifest, type LanguageRow, mostManifestBytes } from "@bulkhead/domain"
import { FileSystem, Path } from "@effect/platform"
import { Console, Effect, Schema } from "effect"
import { BuildFailure } from "./BuildFailure.js"
import * as BuildSandbox from "./BuildSandbox.js"
import * as DebianSystem from "./DebianSystem.js"
import * as ImageLock from "./ImageLock.js"
import * as LanguageSource from "./LanguageSource.js"
import * as Languages from "./Languages.js"
import * as NpmPackages from "./NpmPackages.js"
import * as OciLayout from "./OciLayout.js"
import type { Options } from "./Options.js"
import * as PythonPackages from "./PythonPackages.js"
import * as Tree from "./Tree.js"
import type { Workspace } from "./Workspace.js"

/** What there is to build, from the command line or from a lock. */
interface Wanted {
  readonly options: Options
  readonly lock: ImageLock.ImageLock | undefined
  readonly languages: ReadonlyArray<LanguageSource.LanguageSource>
  readonly debian: ReadonlyArray<string>
}

const wanted = Effect.fnUntraced(function* (options: Options, shipped: string) {
  const lock = options.lock === undefined ? undefined : yield* ImageLock.read(options.lock)
  const languages =
    lock?.languages ??
    (yield* Effect.forEach(options.languages, (given) => LanguageSource.read(shipped, given)))
  const hasSystem = options.oci !== undefined || options.directory !== undefined
  const ofLanguages = hasSystem ? [] : languages.flatMap(({ debian = [] }) => debian)
  const asked = [...options.apt, ...ofLanguages]
  const beside = [
    "python3",
    ...(options.python.length > 0 ? ["python3-pip", "ca-certificates"] : []),
    ...(options.npm.length > 0 ? ["nodejs"] : [])
  ]
  const debian = asked.length === 0 ? [] : [...new Set([...asked, ...beside])]
  return { options, lock, languages, debian } satisfies Wanted
})

const stage = <A, E, R>(title: string, effect: Effect.Effect<A, E, R>) =>
  Effect.zipRight(Console.log(`${title} …`), effect)

type Env = Readonly<Record<string, string>>

/** The system below everything else: none, or one of three kinds. */
const layOut = Effect.fnUntraced(function* (workspace: Workspace, { debian, lock, options }: Wanted) {
  if (debian.length > 0 || lock?.debian !== undefined) {
    const title = "Installing a system of Debian packages (some minutes)"
    const built = yield* stage(title, DebianSystem.build(workspace, debian, lock?.debian))
    return { lock: { debian: built }, env: {} as Env, from: "debian" as const }
  }
  if (lock?.oci !== undefined && options.oci === undefined)
    return yield* new BuildFailure({ message: "the lock is of an OCI layout: say where it is with --oci" })
  if (options.oci !== undefined) {
    const title = "Unpacking the OCI layout"
    const { digest, env } = yield* stage(title, OciLayout.unpack(workspace, options.oci, lock?.oci))
    return { lock: { oci: digest }, env: env as Env, from: "oci" as const }
  }
  if (options.directory !== undefined) {
    yield* stage("Copying the directory", Tree.copy(workspace, options.directory))
    return { lock: {}, env: {} as Env, from: "directory" as const }
  }
  return { lock: {}, env: {} as Env, from: undefined }
})

const fill = Effect.fnUntraced(function* (workspace: Workspace, given: Wanted, scripts: boolean) {
  const base = yield* layOut(workspace, given)
  const { lock, options } = given
  const system = (yield* Tree.isSystem(workspace)) ? workspace.root : undefined
  const python =
    options.python.length > 0 || lock?.python !== undefined
      ? yield* stage(
          "Installing Python packages",
          PythonPackages.install(workspace, options.python, { scripts, system, lock: lock?.python })
        )
      : undefined
  const npm =
    options.npm.length > 0 || lock?.npm !== undefined
      ? yield* stage(
          "Installing npm packages",
          NpmPackages.install(workspace, options.npm, { scripts, lock: lock?.npm })
        )
      : undefined
  yield* Languages.place(workspace, given.languages)
  const rows = yield* Effect.forEach(given.languages, (source) => Languages.rowOf(workspace, source, system))
  return { base, python, npm, rows }
})
type Filled = Effect.Effect.Success<ReturnType<typeof fill>>

const packagesOf = Effect.fnUntraced(function* ({ base, npm, python }: Filled, { options }: Wanted) {
  const ofNpm = npm === undefined ? [] : yield* NpmPackages.packagesIn(npm)
  const of = (from: ImageLock.Packages[number]["from"]) => (each: { name: string; version: string }) => ({
    from,
    name: each.name,
    version: each.version
  })
  return [
    ...(python?.packages ?? []).map(of("pypi")),
    ...ofNpm.map(of("npm")),
    ...(base.from === "oci"
      ? [{ from: "oci" as const, name: options.name, version: base.lock.oci ?? "" }]
      : []),
    ...(base.lock.debian?.packages ?? []).map(of("debian"))
  ] satisfies ImageLock.Packages
})

const MOST_PACKAGES = 2500

const environmentOf = ({ base, python }: Filled, languages: Wanted["languages"]): Env => ({
  ...base.env,
  ...Object.assign({}, ...languages.map(({ env = {} }) => env)),
  ...(python === undefined ? {} : { PYTHONPATH: PythonPackages.PLACE })
})

const encodeManifest = Schema.encode(Schema.parseJson(ImageManifest))

const manifestOf = Effect.fnUntraced(function* (
  filled: Filled,
  given: Wanted,
  rows: ReadonlyArray<typeof LanguageRow.Type>
) {
  const { description } = given.options
  const packages = yield* packagesOf(filled, given)
  const text = yield* Effect.mapError(
    encodeManifest({
      format: 1,
      ...(description === undefined ? {} : { description }),
      ...(rows.length === 0 ? {} : { languages: rows }),
      packages: packages.slice(0, MOST_PACKAGES),
      env: environmentOf(filled, given.languages)
    }),
    ({ message }) =>
      new BuildFailure({ message: `The manifest cannot be written: ${message.replaceAll(/\s+/g, " ")}` })
  )
  if (Buffer.byteLength(text) <= mostManifestBytes) return text
  return yield* new BuildFailure({ message: "The manifest is too large: the image has too many packages" })
})

const lockOf = (
  { base, npm, python }: Filled,
  languages: Wanted["languages"],
  scripts: boolean
): ImageLock.ImageLock => ({
  format: 1,
  ...base.lock,
  ...(python === undefined ? {} : { python }),
  ...(npm === undefined ? {} : { npm }),
  ...(languages.length === 0 ? {} : { languages }),
  ...(scripts ? { scripts } : {})
})

/** Directories of builds that were killed go with the next build of the same image. */
const removeDead = Effect.fnUntraced(function* (parent: string, prefix: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(parent), () => [])
  const beside = names.filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
  const dead = yield* Effect.filter(beside, (name) =>
    Effect.map(fs.exists(`/proc/${name.slice(prefix.length)}`), (isAlive) => !isAlive)
  )
  yield* Effect.forEach(dead, (name) => fs.remove(`${parent}/${name}`, { recursive: true, force: true }), {
    discard: true
  })
})

/** A directory beside the image's, where it becomes what it is to be. It is gone afterwards, whatever came of it. */
const beside = Effect.fnUntraced(function* (place: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const parent = path.dirname(place)
  const prefix = `.${path.basename(place)}.building-`
  yield* fs.makeDirectory(parent, { recursive: true, mode: 0o700 })
  yield* removeDead(parent, prefix)
  const directory = `${parent}/${prefix}${process.pid}`
  yield* Effect.acquireRelease(fs.makeDirectory(directory, { mode: 0o755 }), () =>
    Effect.ignore(fs.remove(directory, { recursive: true, force: true }))
  )
  return directory
})

/** A half-made image is never seen: what was there before makes room in the same moment. */
const put = Effect.fnUntraced(function* (made: string, directory: string, place: string) {
  const fs = yield* FileSystem.FileSystem
  if (yield* fs.exists(place)) yield* fs.rename(place, `${directory}/former`)
  yield* fs.rename(made, place)
})

/** Builds an image directory at a place. Nothing is left of it when it fails. */
export const build = Effect.fn("Build.build")(
  function* (options: Options, place: string, shipped: string) {
    const fs = yield* FileSystem.FileSystem
    if (!options.replace && (yield* fs.exists(place)))
      return yield* new BuildFailure({
        message: `${place} is there already: choose another name, or say --replace and start again the servers that use it`
      })
    const given = yield* wanted(options, shipped)
    const scripts = options.scripts || given.lock?.scripts === true
    const directory = yield* beside(place)
    const made = `${directory}/image`
    const workspace: Workspace = { root: `${made}/root`, work: `${directory}/work` }
    yield* Effect.forEach([made, workspace.root, workspace.work], (each) => fs.makeDirectory(each), {
      discard: true
    })
    yield* Effect.forEach([workspace.root, workspace.work], BuildSandbox.give, { discard: true })
    const filled = yield* fill(workspace, given, scripts)
    const manifest = yield* manifestOf(filled, given, filled.rows)
    yield* Tree.finish(workspace, manifest)
    yield* fs.writeFileString(`${made}/image.json`, manifest)
    const lock = lockOf(filled, given.languages, scripts)
    yield* fs.writeFileString(`${made}/image.lock.json`, `${JSON.stringify(lock, undefined, 2)}\n`)
    yield* Effect.uninterruptible(put(made, directory, place))
  },
  Effect.scoped,
  Effect.catchTags({
    SystemError: ({ message }) => new BuildFailure({ message }),
    BadArgument: ({ message }) => new BuildFailure({ message })
  })
)
