import { Options } from "@effect/cli"

/** Whether what is printed is for programs. */
export const json = Options.boolean("json").pipe(Options.withDescription("As JSON, one value in each line."))
