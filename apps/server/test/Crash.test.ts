import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Crash from "./Crash.js"
import * as ServerProcess from "./ServerProcess.js"

it.scopedLive(
  "a server that is killed at any moment loses nothing",
  () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const { answered, broken, interrupted, kills } = yield* Crash.run({ kills: 5, seed: 1, directory })
      assert.deepStrictEqual(broken, [])
      assert.strictEqual(kills, 5)
      assert.isAbove(answered, 0)
      assert.isAbove(interrupted, 0)
    }),
  120_000
)
