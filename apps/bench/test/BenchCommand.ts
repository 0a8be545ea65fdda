import { Command, FileSystem } from "@effect/platform"
import { Effect } from "effect"
import * as Checkout from "../src/Checkout.js"

/** `npm run bench` with these words. */
export const make = (...args: ReadonlyArray<string>) =>
  Command.make("node", "scripts/bench.mjs", ...args).pipe(Command.workingDirectory(Checkout.ours))

/** Gives the results too. Why there are none is in the output of the test. */
export const measured = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.makeTempFileScoped()
  const report = yield* Command.string(Command.stderr(make(...args, "--json", file), "inherit"))
  return { report, found: JSON.parse(yield* fs.readFileString(file)) }
})
