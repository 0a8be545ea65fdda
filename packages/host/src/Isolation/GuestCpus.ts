import { FileSystem, Path } from "@effect/platform"
import { Effect } from "effect"

/** Where programs look for how many processors there are. */
export const PLACE = "/sys/devices/system/cpu"

/** Writes how many processors a sandbox has, which is what programs size themselves by. */
export const write = Effect.fn("GuestCpus.write")(function* (directory: string, count: number) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const range = count > 1 ? `0-${count - 1}` : "0"
  yield* fs.makeDirectory(directory, { mode: 0o755 })
  yield* Effect.forEach(
    ["online", "possible", "present"],
    (name) => fs.writeFileString(path.join(directory, name), `${range}\n`, { mode: 0o644 }),
    { discard: true }
  )
})
