import { Context } from "effect"

/** The words after `--` of the command line, which are a program's. */
export class ProgramArguments extends Context.Tag("@bulkhead/cli/ProgramArguments")<
  ProgramArguments,
  ReadonlyArray<string>
>() {}
