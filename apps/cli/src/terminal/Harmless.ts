const escaped = (character: string) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`

/** Controls but for tabs and ends of lines, and what turns the direction of text around. */
const acting = /(?!\t|\n|\r\n)[\p{Cc}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu

/** Text of a program for a terminal: what a terminal would act on is shown instead. */
export const text = (written: string): string => written.replaceAll(acting, escaped)

const unseen = /[\p{C}\p{Zl}\p{Zp}]/gu

/** A name, a reason or a message, in one line of what can be seen. */
export const line = (written: string): string => written.replaceAll(unseen, escaped)

const hexadecimal = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`

/** A value as JSON in one line, in which nothing acts on a terminal. */
export const json = (value: unknown): string =>
  JSON.stringify(value).replaceAll(unseen, (character) => character.split("").map(hexadecimal).join(""))
