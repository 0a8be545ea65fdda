import { LanguageRow } from "@bulkhead/domain"
import { FileSystem } from "@effect/platform"
import { Effect, Schema } from "effect"
import { BuildFailure } from "./BuildFailure.js"
import * as BuildSandbox from "./BuildSandbox.js"
import type { LanguageSource } from "./LanguageSource.js"
import { binds, ROOT, WORK, type Workspace } from "./Workspace.js"

const rowFrom = Schema.decodeUnknown(LanguageRow)

const shownIn = Effect.fnUntraced(function* (root: string, names: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const there = yield* Effect.filter(names, (name) => fs.exists(`${root}${name}`))
  return there.map((name) => ({ from: `${root}${name}`, at: name }))
})

const placing = `mkdir -p ${ROOT}/opt/image/bin && cp ${WORK}/programs/* ${ROOT}/opt/image/bin && chmod 755 ${ROOT}/opt/image/bin/*`

/** Puts the scripts of languages where an image has programs. */
export const place = Effect.fn("Languages.place")(function* (
  workspace: Workspace,
  sources: ReadonlyArray<LanguageSource>
) {
  const fs = yield* FileSystem.FileSystem
  const programs = sources.flatMap(({ programs = {} }) => Object.entries(programs))
  if (programs.length === 0) return
  const directory = `${workspace.work}/programs`
  yield* fs.makeDirectory(directory)
  yield* Effect.forEach(programs, ([name, text]) => fs.writeFileString(`${directory}/${name}`, text))
  yield* BuildSandbox.run({
    title: "Placing the languages' programs",
    words: ["/bin/sh", "-c", placing],
    binds: binds(workspace),
    users: "owners"
  })
})

/** The row of a language, with the version that its programs tell in the image. */
export const rowOf = Effect.fn("Languages.rowOf")(function* (
  { root }: Workspace,
  source: LanguageSource,
  system: string | undefined
) {
  const { debian: _, env, programs: __, version, ...row } = source
  const said = yield* BuildSandbox.run({
    title: `Asking for the version of ${source.name}`,
    words: ["/bin/sh", "-c", `PATH=/opt/image/bin:$PATH; ${version}`],
    binds: yield* shownIn(root, ["/opt/image", "/node_modules"]),
    ...(env === undefined ? {} : { env }),
    ...(system === undefined ? {} : { system })
  })
  const [number] = /\d+(?:\.\d+)+/.exec(said) ?? []
  if (number === undefined)
    return yield* new BuildFailure({
      message: `--language ${source.name}: '${version}' prints no version in the image`
    })
  return yield* Effect.mapError(
    rowFrom({ ...row, version: `${source.name} ${number}` }),
    ({ message }) => new BuildFailure({ message: `--language ${source.name}: ${message}` })
  )
})
