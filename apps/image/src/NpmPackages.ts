import { FileSystem, Path } from "@effect/platform"
import { Effect, Schema } from "effect"
import { BuildFailure } from "./BuildFailure.js"
import * as BuildSandbox from "./BuildSandbox.js"
import type { ImageLock } from "./ImageLock.js"
import * as Registries from "./Registries.js"
import { binds, ROOT, WORK, type Workspace } from "./Workspace.js"

const options = [
  ...["--no-audit", "--no-fund", "--no-update-notifier", "--omit-lockfile-registry-resolved"],
  ...["--userconfig", "/dev/null", "--cache", "/tmp/npm"]
]

/** Node finds what lies in /node_modules from everywhere, by `import` and by `require`. */
const script = `cd ${WORK}/npm && "$@" || exit 1
mkdir -p ${ROOT}/opt/image/bin
for program in node_modules/.bin/*; do
  [ -e "$program" ] && ln -sf "/$program" ${ROOT}/opt/image/bin/
done
mv node_modules ${ROOT}/node_modules`

const Json = Schema.parseJson(Schema.Unknown)
const Installed = Schema.Struct({
  packages: Schema.Record({
    key: Schema.String,
    value: Schema.Struct({ version: Schema.optional(Schema.String) })
  })
})

/** The running Node, where that is not a part of the system that commands see. */
const nodeBinds = Effect.gen(function* () {
  const path = yield* Path.Path
  const prefix = path.dirname(path.dirname(process.execPath))
  return prefix === "/usr" || prefix.startsWith("/usr/") || prefix === "/"
    ? { binds: [], path: {} }
    : {
        binds: [{ from: prefix, at: prefix }],
        path: { PATH: `${prefix}/bin:/usr/local/bin:/usr/bin:/bin` }
      }
})

/** Installs packages from npm where Node finds them. Their scripts do not run, unless told. */
export const install = Effect.fn("NpmPackages.install")(function* (
  workspace: Workspace,
  names: ReadonlyArray<string>,
  { lock, scripts }: { readonly scripts: boolean; readonly lock: ImageLock["npm"] }
) {
  const fs = yield* FileSystem.FileSystem
  const directory = `${workspace.work}/npm`
  yield* fs.makeDirectory(directory)
  yield* BuildSandbox.give(directory)
  if (lock !== undefined) {
    yield* fs.writeFileString(`${directory}/package.json`, JSON.stringify(lock.packageJson))
    yield* fs.writeFileString(`${directory}/package-lock.json`, JSON.stringify(lock.packageLock))
  }
  const { env, binds: files } = yield* Registries.npm(scripts)
  const node = yield* nodeBinds
  yield* BuildSandbox.run({
    title: "Installing from npm",
    words: [
      ...["/bin/sh", "-c", script, "sh", "npm", lock === undefined ? "install" : "ci", ...options],
      ...(scripts ? [] : ["--ignore-scripts"]),
      ...(lock === undefined ? ["--", ...names] : [])
    ],
    binds: [...binds(workspace), ...files, ...node.binds],
    env: { ...env, ...node.path },
    network: true
  })
  const json = (name: string) =>
    Effect.flatMap(fs.readFileString(`${directory}/${name}`), Schema.decodeUnknown(Json))
  return yield* Effect.all({
    packageJson: json("package.json"),
    packageLock: json("package-lock.json")
  }).pipe(
    Effect.mapError(
      ({ message }) => new BuildFailure({ message: `npm does not tell what it installed: ${message}` })
    )
  )
})

const PREFIX = "node_modules/"

/** The packages that a lock names, by their last name. */
export const packagesIn = (lock: NonNullable<ImageLock["npm"]>) =>
  Effect.map(Effect.orDie(Schema.decodeUnknown(Installed)(lock.packageLock)), ({ packages }) => {
    const found = Object.entries(packages).flatMap(([place, { version }]) =>
      place === "" || version === undefined
        ? []
        : [{ name: place.slice(place.lastIndexOf(PREFIX) + PREFIX.length), version }]
    )
    return [...new Map(found.map((each) => [`${each.name}@${each.version}`, each])).values()]
  })
