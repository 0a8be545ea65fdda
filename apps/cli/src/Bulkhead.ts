import { Command } from "@effect/cli"
import * as Image from "./commands/Image.js"
import * as Kill from "./commands/Kill.js"
import * as Limits from "./commands/Limits.js"
import * as Logs from "./commands/Logs.js"
import * as Ps from "./commands/Ps.js"
import * as Run from "./commands/Run.js"
import * as Serve from "./commands/Serve.js"
import * as Top from "./commands/Top.js"
import * as Usage from "./commands/Usage.js"
import * as Verify from "./commands/Verify.js"
import { print } from "./terminal/Output.js"

const commands = [
  Run.command,
  Ps.command,
  Logs.command,
  Kill.command,
  Top.command,
  Limits.command,
  Usage.command,
  Verify.command,
  Image.command,
  Serve.command
] as const

/** What `bulkhead` alone prints; the parser's own help of all commands is too wide for any terminal. */
const summary = [
  "bulkhead COMMAND [options]",
  "",
  "  run FILE      run a program, with a server of its own unless one is named",
  "  ps            list executions",
  "  logs ID       what happened to an execution; --output: what its program wrote",
  "  kill ID       end an execution",
  "  top           how busy a server is, live",
  "  limits        the limits in force; limits set LIMIT=NUMBER changes them",
  "  usage         what each user's executions used and cost",
  "  verify        check the log of what happened",
  "  image         list images, or build one",
  "  serve         start a server",
  "",
  "'bulkhead COMMAND --help' tells of one; 'bulkhead --completions bash' (zsh, fish) prints completions."
].join("\n")

/** All commands. */
export const command = Command.make("bulkhead", {}, () => print(summary)).pipe(
  Command.withDescription("Runs code that nobody has read in sandboxes, and looks after servers that do."),
  Command.withSubcommands(commands)
)
