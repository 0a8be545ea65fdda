import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ServerProcess from "./ServerProcess.js"

const directory = fileURLToPath(new URL("../../../clients/python", import.meta.url))

const keys = { alice: "the-key-of-alice-0123", bob: "the-key-of-bob-4567" }

it.scopedLive(
  "the client in Python passes its tests against a real server",
  () =>
    Effect.gen(function* () {
      const { url } = yield* ServerProcess.start({
        SANDBOX_API_KEYS: `alice:${keys.alice},bob:${keys.bob}`
      })
      const env = {
        PATH: process.env.PATH,
        PYTHONDONTWRITEBYTECODE: "1",
        BULKHEAD_URL: url,
        BULKHEAD_KEY: keys.alice,
        BULKHEAD_OTHER_KEY: keys.bob
      }
      const said = yield* Effect.async<string>((resume) => {
        execFile(
          "python3",
          ["-m", "unittest", "test_bulkhead"],
          { cwd: directory, env },
          (_, stdout, stderr) => resume(Effect.succeed(`${stdout}${stderr}`))
        )
      })
      assert.match(said, /^Ran \d\d tests in .*\n\nOK\n$/m, said)
    }),
  60_000
)
