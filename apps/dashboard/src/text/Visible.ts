/**
 * Characters that show nothing, or make others show otherwise: controls, formats such as those of bidirectional text,
 * separators of lines, halves of surrogate pairs, tags, and what has no meaning yet. Tab and newline stay.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029\u115f\u1160\u3164\uffa0]/gu

/** Unicode has pictures of the first control characters. */
const pictureOf = (code: number) => {
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  return code === 0x7f ? "\u2421" : `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`
}

/** Marks on one letter after which more are left out: hundreds would cover the lines above and below. */
const manyMarks = /(\p{M}{6})\p{M}+/gu

const shown = (text: string) =>
  text.replace(manyMarks, "$1").replace(unseen, (character) => pictureOf(character.codePointAt(0) ?? 0))

/** What a program or a user wrote, on one line, with nothing in it that is not seen. Cut where it is long. */
export const visible = (text: string, most = 200): string => {
  const start = text.slice(0, most)
  const left = text.length - start.length
  return left === 0 ? shown(start) : `${shown(start)}\u2026 (${left} more)`
}

/** The same of a text of many lines. A return before a newline is no more than a newline. */
export const visibleLines = (text: string): string =>
  text
    .replaceAll("\r\n", "\n")
    .split(/([\n\t])/)
    .map((part) => (part === "\n" || part === "\t" ? part : shown(part)))
    .join("")
