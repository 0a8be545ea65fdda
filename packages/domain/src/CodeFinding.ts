import { Schema } from "effect"

/** What the look at a program's code found in it before it ran. */
export const CodeFinding = Schema.Struct({
  rule: Schema.String.annotations({
    description: "The rule that it matches.",
    examples: ["shell-on-socket"]
  }),
  kind: Schema.String.annotations({
    description: "What such code is usually for.",
    examples: ["reverse-shell"]
  }),
  line: Schema.Number.annotations({ description: "The line of the code, from 1." }),
  message: Schema.String.annotations({
    description: "The same in words.",
    examples: ["binds a shell to a network connection"]
  })
})
export type CodeFinding = typeof CodeFinding.Type

/** As many as a result and an event name. */
export const mostFindings = 20
