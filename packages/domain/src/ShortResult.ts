import type { ExecutionResult } from "./ExecutionResult.js"
import { inJson } from "./Harmless.js"

/** Characters of each of the two streams of output that a model is shown unless told. */
export const usualOutputCharacters = 32_768

const highSurrogate = /[\uD800-\uDBFF]$/
const lowSurrogate = /^[\uDC00-\uDFFF]/

/** The text's beginning and its end, with a line between them that says how much is left out. */
const shorten = (text: string, most: number): string => {
  if (text.length <= most) return text
  const half = Math.floor(most / 2)
  const head = text.slice(0, half).replace(highSurrogate, "")
  const tail = text.slice(text.length - half).replace(lowSurrogate, "")
  return `${head}\n[${text.length - head.length - tail.length} characters left out]\n${tail}`
}

/**
 * A result as a model reads it: with no more output than it has room for. What is left out comes from the middle, and is
 * said there and in `output.truncated`.
 */
export const shortResult = (
  result: ExecutionResult,
  most: number = usualOutputCharacters
): ExecutionResult => ({
  ...result,
  stdout: shorten(result.stdout, most),
  stderr: shorten(result.stderr, most),
  output: {
    ...result.output,
    truncated: result.output.truncated || Math.max(result.stdout.length, result.stderr.length) > most
  }
})

/**
 * Whether the tool itself could not do what it was asked for. What a program does wrong is for its writer to read, and
 * no failure of the tool.
 */
export const isToolFailure = ({ verdict }: Pick<ExecutionResult, "verdict">): boolean =>
  verdict === "Rejected" || verdict === "InternalError"

/** Control characters, and those that change the direction or the lines of what is around them. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * A program's text as it may be shown on a terminal: lines and tabs stay, every other character that cannot be seen is
 * escaped. JSON stays the same JSON.
 */
export const visible = (text: string): string =>
  text.replaceAll(invisible, (character) =>
    character === "\n" || character === "\t" ? character : inJson(character)
  )
