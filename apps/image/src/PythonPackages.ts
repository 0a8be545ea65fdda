import { FileSystem } from "@effect/platform"
import { Effect, Schema } from "effect"
import { BuildFailure } from "./BuildFailure.js"
import * as BuildSandbox from "./BuildSandbox.js"
import type { ImageLock, Pinned } from "./ImageLock.js"
import * as Registries from "./Registries.js"
import { binds, ROOT, WORK, type Workspace } from "./Workspace.js"

/** Where an image has them. */
export const PLACE = "/opt/image/python"

const Report = Schema.Struct({
  install: Schema.Array(
    Schema.Struct({
      metadata: Schema.Struct({ name: Schema.String, version: Schema.String }),
      download_info: Schema.Struct({
        archive_info: Schema.Struct({ hashes: Schema.Struct({ sha256: Schema.String }) })
      })
    })
  ),
  environment: Schema.Struct({ python_version: Schema.String })
})
const reportFrom = Schema.decodeUnknown(Schema.parseJson(Report))

const pip = [
  ...["python3", "-m", "pip", "install", "--no-input", "--no-cache-dir", "--disable-pip-version-check"],
  ...["--no-warn-script-location", "--root-user-action", "ignore", "--target", `${ROOT}${PLACE}`],
  ...["--report", `${WORK}/python.json`]
]

/** Its programs lie where those of the image do. */
const script = `"$@" || exit 1
mkdir -p ${ROOT}/opt/image/bin
if [ -d ${ROOT}${PLACE}/bin ]; then mv ${ROOT}${PLACE}/bin/* ${ROOT}/opt/image/bin/ && rmdir ${ROOT}${PLACE}/bin; fi`

const requirement = ({ name, sha256, version }: Pinned) => `${name}==${version} --hash=sha256:${sha256}`

/** What is asked for, or just what a lock names. */
const wanted = Effect.fnUntraced(function* (
  { work }: Workspace,
  names: ReadonlyArray<string>,
  lock: ImageLock["python"]
) {
  if (lock === undefined) return ["--", ...names]
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(`${work}/requirements.txt`, lock.packages.map(requirement).join("\n"))
  return ["--no-deps", "--require-hashes", "--requirement", `${WORK}/requirements.txt`]
})

/** Installs packages from PyPI where Python finds them; wheels alone, unless scripts may run. */
export const install = Effect.fn("PythonPackages.install")(function* (
  workspace: Workspace,
  names: ReadonlyArray<string>,
  options: {
    readonly scripts: boolean
    readonly lock: ImageLock["python"]
    readonly system: string | undefined
  }
) {
  const fs = yield* FileSystem.FileSystem
  const { env, binds: files } = yield* Registries.pypi(options.scripts)
  const what = yield* wanted(workspace, names, options.lock)
  yield* BuildSandbox.run({
    title: "Installing from PyPI",
    words: [
      ...["/bin/sh", "-c", script, "sh", ...pip],
      ...(options.scripts ? [] : ["--only-binary", ":all:"]),
      ...what
    ],
    binds: [...binds(workspace), ...files],
    env,
    network: true,
    ...(options.system === undefined ? {} : { system: options.system })
  })
  const { environment, install } = yield* fs.readFileString(`${workspace.work}/python.json`).pipe(
    Effect.flatMap(reportFrom),
    Effect.mapError(
      ({ message }) => new BuildFailure({ message: `pip does not tell what it installed: ${message}` })
    )
  )
  const version = environment.python_version
  if (options.lock !== undefined && options.lock.version !== version)
    return yield* new BuildFailure({
      message: `the lock is for Python ${options.lock.version}, and here is ${version}`
    })
  return {
    version,
    packages: install.map(({ download_info, metadata }) => ({
      ...metadata,
      sha256: download_info.archive_info.hashes.sha256
    }))
  } satisfies ImageLock["python"]
})
