import * as Decoding from "../Decoding.js"
import { gap, ofSources, ofText, type Value } from "../Value.js"

/** A command, as it is started. */
interface Started {
  /** Its arguments but for short options. */
  readonly words: ReadonlyArray<string | undefined>
  /** Its options, with a space between them. */
  readonly flags: string
  readonly input: Value
}

/** The text that a command prints, if that is known. */
type Output = (started: Started) => string | undefined

const decoded =
  (decoder: Decoding.Decoder, applies: (started: Started) => boolean = () => true): Output =>
  (started) => {
    const { text } = started.input
    const result = text === undefined || !applies(started) ? undefined : decoder(text.trim())
    return result === undefined ? undefined : (Decoding.utf8(result) ?? result)
  }

const printed = ({ words }: Started) => words.map((text) => text ?? gap).join(" ")

const decodesFlag = ({ flags }: Started) => /-\w*[dD]/.test(flags)

const turnsLetters = ({ words: [from = "", to = ""] }: Started) => /^A-Z/i.test(from) && /^N-Z/i.test(to)

const outputs: ReadonlyMap<string, Output> = new Map(
  Object.entries<Output>({
    echo: (started) =>
      started.flags.includes("e") ? Decoding.unescaped(printed(started)) : printed(started),
    printf: (started) => Decoding.unescaped(printed(started)),
    base64: decoded(Decoding.base64, decodesFlag),
    openssl: decoded(Decoding.base64, decodesFlag),
    base32: decoded(Decoding.base32),
    xxd: decoded(Decoding.hex, ({ flags }) => flags.includes("r")),
    rev: decoded(Decoding.reversed),
    tr: decoded(Decoding.rot13, turnsLetters)
  })
)

const isShortOption = (text: string | undefined) => /^-\w+$/.test(text ?? "")

/** What is known of a command's output. */
export const outputOf = (name: string, args: ReadonlyArray<Value>, input: Value): Value => {
  const texts = args.map(({ text }) => text)
  const words = texts.filter((text) => !isShortOption(text))
  if (name === "tee" || (name === "cat" && words.length === 0)) return input
  const flags = texts.filter((text) => text?.startsWith("-")).join(" ")
  const text = outputs.get(name)?.({ words, flags, input })
  return text === undefined ? ofSources(input, ...args) : ofText(text, input, ...args)
}
