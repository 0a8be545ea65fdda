import { Option } from "effect"

/** Most bytes of one argument or variable, as Linux has it: 32 pages with the NUL at the end. */
const LONGEST = 32 * 4096 - 1

/** Most bytes of them all, each with a NUL: what the agent takes. */
const MOST_IN_ALL = 2 * 1024 * 1024 - 8192

/** Whether arguments and variables are too long for a program to be started with, in words; `fields` is what they are. */
export const fault = (fields: string, texts: ReadonlyArray<string>): Option.Option<string> => {
  const lengths = texts.map((text) => Buffer.byteLength(text) + 1)
  if (lengths.some((length) => length > LONGEST + 1))
    return Option.some(`each of ${fields} must be at most ${LONGEST} bytes long`)
  return lengths.reduce((sum, length) => sum + length, 0) > MOST_IN_ALL
    ? Option.some(`${fields} must be at most ${MOST_IN_ALL} bytes in all`)
    : Option.none()
}
