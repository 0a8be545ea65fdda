import { Options } from "@effect/cli"

/** An option that takes any text. */
export const text = (name: string, pseudoName: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(pseudoName), Options.withDescription(description))

/** Of an option that may be repeated the parser trims texts, and leaves out empty ones; in quotes they stay as they are. */
export const quoted = (text: string) => `"${text}"`

const unquoted = (text: string) => /^"(.*)"$/s.exec(text)?.[1] ?? text

/** The same, given any number of times; the command line has its texts `quoted`. */
export const texts = (name: string, pseudoName: string, description: string) =>
  text(name, pseudoName, description).pipe(
    Options.repeated,
    Options.map((given) => given.map(unquoted))
  )
