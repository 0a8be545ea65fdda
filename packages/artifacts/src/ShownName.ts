const mostShownCharacters = 120

/** Controls, what turns text around, what has no look of its own, and what was no UTF-8. */
const unshowable = /[\p{C}\p{Zl}\p{Zp}\\]/gu
const escaped = (character: string) =>
  character === "\\" ? "\\\\" : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`

/** A name as it may be shown to people: escaped, and cut when it is long. */
export const shownName = (name: string): string => {
  const shown = name.replaceAll(unshowable, escaped)
  return shown.length > mostShownCharacters ? `${shown.slice(0, mostShownCharacters)}…` : shown
}
