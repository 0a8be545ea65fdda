import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Toolchains from "../src/Isolation/Toolchains.js"

/** A node that was unpacked into somebody's own directory, beside what else is in it. */
const unpacked = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "toolchains-" })
  yield* fs.chmod(home, 0o755)
  for (const directory of ["bin", "lib/node_modules", "lib/python3", "share/keyrings", "etc"])
    yield* fs.makeDirectory(path.join(home, directory), { recursive: true })
  return home
})

describe("find", () => {
  it.scoped("shows of where node is installed its programs and modules alone", () =>
    Effect.gen(function* () {
      const home = yield* unpacked
      const { directories, programs } = yield* Toolchains.find([], `${home}/bin/node`)
      assert.deepStrictEqual(directories, [`${home}/bin`, `${home}/lib/node_modules`])
      assert.deepStrictEqual(programs, [`${home}/bin`])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("shows nothing more for a node below /usr", () =>
    Effect.gen(function* () {
      const { directories } = yield* Toolchains.find([], "/usr/local/bin/node")
      assert.deepStrictEqual(directories, [])
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
