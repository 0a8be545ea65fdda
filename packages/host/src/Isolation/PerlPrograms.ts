import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { IsolationUnavailable } from "../HostErrors.js"
import * as ThisProcess from "../ThisProcess.js"
import type { KernelUids } from "./GuestUser.js"

const readShipped = Effect.fn("PerlPrograms.readShipped")(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const places = ThisProcess.shippedFile(name)
  const found = yield* Effect.findFirst(places, (place) => fs.exists(place))
  const place = yield* Effect.mapError(
    found,
    () =>
      new IsolationUnavailable({
        reason: `${name} is missing from this installation`,
        remedy: `put it at ${places[0]}`
      })
  )
  return yield* fs.readFileString(place)
})

/**
 * Writes the launcher and the agent to the run directory, each put together from its two parts. With one uid each sandbox compiles its
 * agent anew, so there the agent gets its rarely used part as text, to compile on demand.
 */
export const write = Effect.fn("PerlPrograms.write")(function* (runDirectory: string, uids: KernelUids) {
  const fs = yield* FileSystem.FileSystem
  const [agent, rarely] = [yield* readShipped("agent.pl"), yield* readShipped("agentRarely.pl")]
  const [launcher, walls] = [yield* readShipped("launcher.pl"), yield* readShipped("launcherWalls.pl")]
  yield* fs.writeFileString(
    `${runDirectory}/agent.pl`,
    uids === "two"
      ? `my $rarely = '';\n${agent}\n${rarely}`
      : `my $rarely = <<'RARELY';\n${rarely}RARELY\n${agent}`
  )
  yield* fs.writeFileString(`${runDirectory}/launcher.pl`, `${launcher}\n${walls}`)
})
