import { pathToFileURL } from "node:url"
import { Command } from "@effect/cli"
import { Effect } from "effect"
import * as Project from "../Project.js"

/** In this very process, so that signals reach it. It goes on when the command's own fiber has ended. */
const serve = Effect.promise(() => import(pathToFileURL(Project.script("start.mjs")).href))

export const command = Command.make("serve", {}, () => serve).pipe(
  Command.withDescription("Starts a server with the settings of the environment, as npm start does.")
)
