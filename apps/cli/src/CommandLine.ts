import { stripVTControlCharacters } from "node:util"
import { Harmless } from "@bulkhead/domain"
import { CliConfig, Command, HelpDoc } from "@effect/cli"
import * as TextOption from "./run/TextOption.js"

/** Options that may be given several times, and take any text, also one that looks like an option. */
const takesText = new Set([
  ...["--arg", "--env", "--file", "--allow", "--deny"],
  ...["--secret", "--secret-file", "--secret-header", "--kept-secret"]
])

/** Those that may be given several times, and what each takes as the parser is to have it. */
const readable = (option: string) => {
  if (takesText.has(option)) return TextOption.quoted
  return option === "--webhook-event" ? (word: string) => word : undefined
}

/** The parser takes `--arg=a` for no repeated option, and something else for many a text that is not in quotes. */
const readableOf = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [word, ...others] = words
  if (word === undefined) return []
  const [, option = word, text] = /^(--[a-z-]+)=(.*)$/s.exec(word) ?? []
  const read = readable(option)
  if (read === undefined) return [word, ...readableOf(others)]
  if (text !== undefined) return [option, read(text), ...readableOf(others)]
  return [option, ...others.slice(0, 1).map(read), ...readableOf(others.slice(1))]
}

/** The parser takes no option after a word that is - alone. */
const stdinLast = (words: ReadonlyArray<string>) => [
  ...words.filter((word) => word !== "-"),
  ...words.filter((word) => word === "-")
]

const ownOf = (words: ReadonlyArray<string>) => stdinLast(readableOf(words))

const isHelp = (words: ReadonlyArray<string>) =>
  words.length === 1 && /^(-h|--help|help)$/.test(words[0] ?? "")

/** What is the command's, as the parser is to have it, and what after `--` is a program's. */
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

/** What is wrong with the options, where the parser would complain of another word or of nothing. */
export const flawOf = <Name extends string, R, E, A>(
  command: Command.Command<Name, R, E, A>,
  own: ReadonlyArray<string>
): string | undefined => {
  const known = optionsOf(command)
  const unknown = own
    .map((word) => /^--[^=]+/.exec(word)?.[0])
    .find((word) => word !== undefined && !known.has(word) && !builtIn.has(word))
  if (unknown !== undefined)
    return `there is no option ${Harmless.line(unknown)}; 'bulkhead COMMAND --help' lists those that there are`
  const last = own.at(-1) ?? ""
  return readable(last) === undefined ? undefined : `${last}: expected a text after it`
}

const builtIn = new Set(["--help", "--version", "--wizard", "--completions", "--log-level"])
