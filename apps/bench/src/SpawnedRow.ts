import { Effect } from "effect"
import * as PerlLoop from "./PerlLoop.js"
import * as Places from "./Places.js"
import type { Row } from "./Row.js"

/** Runs a command that prints `1` as a process without any help, started by fork and exec. */
export const make = (name: string, command: ReadonlyArray<string>) =>
  Effect.map(
    PerlLoop.start(name, Places.spawner, command),
    (run): Row => ({ name, how: command.join(" "), isSteady: true, run })
  )
