import { cut } from "./Fault.js"

/** Most bytes of one name, as Linux's file systems have it. */
const mostNameBytes = 255
/** Most bytes of a path of names. */
export const mostPathBytes = 1024

const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u
/** What turns the direction of text around makes a name look like another. */
const directional = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u

const bytesOfPoint = (point: number) => (point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4)
/** In UTF-8. */
const bytesOf = (text: string) =>
  [...text].reduce((bytes, character) => bytes + bytesOfPoint(character.codePointAt(0) ?? 0), 0)

const mostShownCharacters = 120
/** Controls, what turns text around, what has no look of its own, and what was no UTF-8. */
const unshowable = /[\p{C}\p{Zl}\p{Zp}\\]/gu
const escaped = (character: string) =>
  character === "\\" ? "\\\\" : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`

/** A name as it may be shown to people: escaped, and cut when it is long. */
export const shownPath = (name: string): string =>
  cut(name.replaceAll(unshowable, escaped), mostShownCharacters)

/** What keeps a text from being a relative path of plain names. Absent: nothing does. */
export const flawOfPath = (path: string): string | undefined => {
  if (path === "") return "it is empty"
  if (path.length > mostPathBytes || bytesOf(path) > mostPathBytes)
    return `it is longer than ${mostPathBytes} bytes`
  if (unprintable.test(path)) return "it has control characters"
  if (directional.test(path)) return "it has characters that change the direction of text"
  if (path !== path.normalize("NFC")) return "it is not in Unicode's normal form C"
  const names = path.split("/")
  if (names.includes("")) return "it is not a relative path of names"
  if (names.some((name) => name === "." || name === "..")) return "it has '.' or '..' in it"
  if (names.some((name) => bytesOf(name) > mostNameBytes))
    return `it has a name longer than ${mostNameBytes} bytes`
  return undefined
}
