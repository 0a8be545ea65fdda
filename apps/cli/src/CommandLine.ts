import { stripVTControlCharacters } from "node:util"
import { CliConfig, Command, HelpDoc } from "@effect/cli"

/** Options that may be given several times, and take any text, also one that looks like an option. */
const takesText = new Set([
  ...["--arg", "--env", "--file", "--allow", "--deny", "--webhook-event"],
  ...["--secret", "--secret-file", "--secret-header", "--kept-secret"]
])

const flatten = (words: ReadonlyArray<string>) =>
  words.flatMap((word, at) => {
    const [, option = "", value = ""] = /^(--[a-z-]+)=(.*)$/s.exec(word) ?? []
    return takesText.has(option) && !takesText.has(words[at - 1] ?? "") ? [option, value] : [word]
  })

/** The parser takes no option after a word that is - alone. */
const stdinLast = (words: ReadonlyArray<string>) => {
  const isStdin = words.map((word, at) => word === "-" && !takesText.has(words[at - 1] ?? ""))
  return [...words.filter((_, at) => !isStdin[at]), ...words.filter((_, at) => isStdin[at])]
}

const ownOf = (words: ReadonlyArray<string>) => stdinLast(flatten(words))

const isHelp = (words: ReadonlyArray<string>) =>
  words.length === 1 && /^(-h|--help|help)$/.test(words[0] ?? "")

/** What is the command's, and what after `--` is a program's. The parser takes `--arg=a` for no repeated option. */
export const split = (words: ReadonlyArray<string>) => {
  const at = words.indexOf("--")
  if (isHelp(words)) return { own: [], programs: [] }
  return at < 0
    ? { own: ownOf(words), programs: [] }
    : { own: ownOf(words.slice(0, at)), programs: words.slice(at + 1) }
}

const optionsOf = <Name extends string, R, E, A>(command: Command.Command<Name, R, E, A>) =>
  new Set(
    stripVTControlCharacters(HelpDoc.toAnsiText(Command.getHelp(command, CliConfig.defaultConfig))).match(
      /--[a-z-]+/g
    )
  )

/** An option that no command has. The parser would complain of the word after it. */
export const unknownOption = <Name extends string, R, E, A>(
  command: Command.Command<Name, R, E, A>,
  own: ReadonlyArray<string>
): string | undefined => {
  const known = optionsOf(command)
  const option = (word: string) => /^--[^=]+/.exec(word)?.[0]
  return own
    .filter((_, at) => !takesText.has(own[at - 1] ?? ""))
    .map(option)
    .find((word) => word !== undefined && !known.has(word) && !builtIn.has(word))
}

const builtIn = new Set(["--help", "--version", "--wizard", "--completions", "--log-level"])
