import { Options } from "@effect/cli"

/** An option that takes any text. */
export const text = (name: string, pseudoName: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(pseudoName), Options.withDescription(description))
