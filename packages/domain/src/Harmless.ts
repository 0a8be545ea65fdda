const codePoint = (character: string) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`

/** A character as JSON escapes it. */
export const inJson = (character: string): string =>
  character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("")

/** Controls but for tabs and ends of lines, and what turns the direction of text around. */
const acting = /(?!\t|\n|\r\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

/** A stranger's text for a terminal: what a terminal would act on is shown instead. */
export const text = (written: string): string => written.replaceAll(acting, codePoint)

/** What shows nothing, or makes others show otherwise. */
const unseen = /[\p{C}\p{Zl}\p{Zp}]/gu

/** A name, a reason or a message, in one line of what can be seen. */
export const line = (written: string): string => written.replaceAll(unseen, codePoint)

/** JSON as JSON of the same value, in one line of what can be seen. */
export const escapedJson = (written: string): string => written.replaceAll(unseen, inJson)

/** A value as JSON in one line, in which nothing acts on a terminal. */
export const json = (value: unknown): string => escapedJson(JSON.stringify(value))
