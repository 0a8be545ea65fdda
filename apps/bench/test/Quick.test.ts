import { Command, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Places from "../src/Places.js"

const bench = (...args: ReadonlyArray<string>) =>
  Command.make("node", "scripts/bench.mjs", ...args).pipe(Command.workingDirectory(Places.root))

describe("The bench", () => {
  it.scopedLive(
    "runs every row and writes what it found",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = yield* fs.makeTempFileScoped()
        const report = yield* Command.string(bench("--quick", "--json", file))
        const { measured, timeouts } = JSON.parse(yield* fs.readFileString(file))
        assert.strictEqual(measured.length, 4 * 4)
        assert.strictEqual(timeouts.atOnce, 4)
        assert.include(report, "POST /api/execute")
        assert.include(report, "gVisor 9")
      }).pipe(Effect.provide(NodeContext.layer)),
    120_000
  )

  it.live(
    "refuses an option that it does not have",
    () =>
      Effect.map(Command.exitCode(bench("--slow")), (code) => assert.notStrictEqual(code, 0)).pipe(
        Effect.provide(NodeContext.layer)
      ),
    60_000
  )
})
