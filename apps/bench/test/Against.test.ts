import { Command, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Checkout from "../src/Checkout.js"
import * as BenchCommand from "./BenchCommand.js"

describe("The bench against another checkout", () => {
  it.scopedLive(
    "says at once what another checkout lacks",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const other = yield* fs.makeTempDirectoryScoped()
        const child = yield* Command.start(BenchCommand.make("--quick", "--against", other))
        const said = yield* Stream.mkString(Stream.decodeText(child.stderr))
        assert.notStrictEqual(yield* child.exitCode, 0)
        assert.include(said, "no apps/server/dist/bulkhead.js and no apps/bench/dist/bulkhead-bench.js there")
        assert.notInclude(said, "Starting the server")
      }).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.live(
    "refuses to compare what it cannot",
    () =>
      Effect.map(Command.exitCode(BenchCommand.make("--only", "queue", "--against", Checkout.ours)), (code) =>
        assert.notStrictEqual(code, 0)
      ).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )
})
