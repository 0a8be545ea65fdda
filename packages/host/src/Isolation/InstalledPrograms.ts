import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import type { HostOptions } from "../HostOptions.js"

/** Writes the programs that every sandbox gets to the run directory, and tells which file goes to which place. */
export const write = Effect.fn("InstalledPrograms.write")(function* (
  runDirectory: string,
  programs: HostOptions["programs"]
) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(`${runDirectory}/programs`, { mode: 0o755 })
  return yield* Effect.forEach(programs, ({ place, text }, index) => {
    const source = `${runDirectory}/programs/${index}`
    return Effect.as(fs.writeFileString(source, `#!/usr/bin/perl\n${text}`, { mode: 0o755 }), [
      source,
      place
    ] as const)
  })
})
