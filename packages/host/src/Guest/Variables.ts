import { Schema } from "effect"

/** Whether a program can have the variable as it is: its environment is texts like `NAME=value`, each ended by NUL. */
const isVariable = ([name, value]: readonly [string, string]) =>
  /^[^=\0]+$/.test(name) && !value.includes("\0")

/** Variables of an environment. */
export const Variables = Schema.Record({ key: Schema.String, value: Schema.String }).pipe(
  Schema.filter((variables) => Object.entries(variables).every(isVariable), {
    description: "variables without NUL, with names that are not empty and have no '='"
  })
)
