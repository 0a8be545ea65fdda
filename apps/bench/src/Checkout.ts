import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Command } from "@effect/platform"
import { Effect } from "effect"
import type { Alone, Options } from "./Options.js"

/** The directory of this project, both from this source and from the bundle. */
export const ours: string = fileURLToPath(new URL("../../../", import.meta.url))

export const serverBundle = "apps/server/dist/bulkhead.js"
const benchBundle = "apps/bench/dist/bulkhead-bench.js"

/** What a checkout's bench finds for one group in a process of its own, as JSON. No other's heap and compiled code are in it. */
export const measureAlone = Effect.fn("Checkout.measureAlone")(
  (directory: string, group: Alone, { quick, rounds }: Pick<Options, "quick" | "rounds">) =>
    Command.make(
      process.execPath,
      ...["--expose-gc", join(directory, benchBundle), "--alone", group, "--rounds", String(rounds)],
      ...(quick ? ["--quick"] : [])
    ).pipe(Command.stderr("inherit"), Command.string)
)
