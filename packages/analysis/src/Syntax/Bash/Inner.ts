import type { Analysed } from "../Facts.js"
import { gap, type Value } from "../Value.js"
import type { Reader } from "./Reader.js"

interface Interpreter {
  readonly name: RegExp
  readonly language: Analysed
  /** The option behind which a program stands. */
  readonly option: RegExp
}

const interpreters: ReadonlyArray<Interpreter> = [
  { name: /^(ba|z|da|a|k|fi)?sh$/, language: "bash", option: /^-\w*c$/ },
  { name: /^python[\d.]*$/, language: "python", option: /^-\w*c$/ },
  { name: /^(node|nodejs|bun)$/, language: "javascript", option: /^-\w*e$/ }
]

/** The program that an interpreter is given, by an option or as its input. */
const programOf = ({ option }: Interpreter, args: ReadonlyArray<Value>, input: Value) => {
  const at = args.findIndex(({ text }) => text !== undefined && option.test(text))
  return (at < 0 ? undefined : args[at + 1]?.text) ?? input.text
}

/** Tells of the programs that a command runs. */
export const hearInnerOf = (
  { hearInner }: Reader,
  name: string,
  args: ReadonlyArray<Value>,
  input: Value,
  line: number
): void => {
  if (name === "eval") hearInner(args.map(({ text }) => text ?? gap).join(" "), "bash", line)
  if (name === "trap" && args[0]?.text !== undefined) hearInner(args[0].text, "bash", line)
  const interpreter = interpreters.find((each) => each.name.test(name))
  const program = interpreter && programOf(interpreter, args, input)
  if (interpreter !== undefined && program !== undefined) hearInner(program, interpreter.language, line)
}
