import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { Command, FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { MeasurementFailure } from "./Measurement.js"
import type { Alone, Group, Options } from "./Options.js"

/** The directory of this project, both from this source and from the bundle. */
export const ours: string = fileURLToPath(new URL("../../../", import.meta.url))

export const serverBundle = "apps/server/dist/bulkhead.js"
const benchBundle = "apps/bench/dist/bulkhead-bench.js"

/** Our own bench. */
export const bench = join(ours, benchBundle)

/** Bundles the server and the bench. */
const buildCommand = "npm run bench -- --quick --only queue"

/** What a checkout needs, so that it can be compared with ours. */
const needs: Readonly<Record<Group, ReadonlyArray<string>>> = {
  sandboxes: [serverBundle],
  storm: [],
  newcomers: [],
  stream: [],
  images: [],
  cluster: [],
  uploads: [],
  throughput: [benchBundle],
  overhead: [benchBundle],
  queue: [],
  admission: [],
  fairness: []
}

/** Fails unless another checkout has been built as far as these groups need it. Gives its whole path. */
export const theirs = Effect.fn("Checkout.theirs")(function* (given: string, groups: ReadonlyArray<Group>) {
  const fs = yield* FileSystem.FileSystem
  const directory = resolve(given)
  const isMissing = (file: string) =>
    Effect.map(
      Effect.orElseSucceed(fs.exists(join(directory, file)), () => false),
      (exists) => !exists
    )
  const missing = yield* Effect.filter(new Set(groups.flatMap((group) => needs[group])), isMissing)
  if (missing.length === 0) return directory
  return yield* new MeasurementFailure({
    message: `--against ${given}: no ${missing.join(" and no ")} there; to build, run there: ${buildCommand}`
  })
})

/** What a checkout's bench finds for one group in a process of its own, as JSON. */
export const measureAlone = Effect.fn("Checkout.measureAlone")(
  (directory: string, group: Alone, { quick, rounds }: Pick<Options, "quick" | "rounds">) =>
    Command.make(
      process.execPath,
      ...["--expose-gc", join(directory, benchBundle), "--alone", group, "--rounds", String(rounds)],
      ...(quick ? ["--quick"] : [])
    ).pipe(Command.stderr("inherit"), Command.string)
)
