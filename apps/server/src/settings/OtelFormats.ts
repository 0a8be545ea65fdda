import { Either, Encoding, Option, Redacted } from "effect"
import * as Formats from "./Formats.js"
import { type Format, format } from "./Setting.js"

/** A token of HTTP, as the name of a header must be one. */
const isName = (text: string) => /^[\w!#$%&'*+.^`|~-]{1,256}$/.test(text)
/** What may stand in a header. */
const isValue = (text: string) => /^[\x20-\x7e]{0,4096}$/.test(text)

const pairOf = (text: string) => {
  const [, name = "", given = ""] = /^([^=]*)=(.*)$/s.exec(text.trim()) ?? []
  const value = Either.getOrElse(Encoding.decodeUriComponent(given.trim()), () => given.trim())
  return Option.liftPredicate(
    [name.trim(), value] as const,
    ([name, value]) => isName(name) && isValue(value)
  )
}

const pairs = (text: string) => Option.map(Option.all(text.split(",").map(pairOf)), Object.fromEntries)

const takes = "name=value pairs, separated by commas, with %-escapes"

export type Attributes = Readonly<Record<string, string>>

export const attributes: Format<Attributes> = format(takes, pairs)

/** They may have a key for the collector. */
export const headers: Format<Redacted.Redacted<Attributes>> = {
  takes,
  parse: (text) =>
    Either.fromOption(
      Option.map(pairs(text), (headers: Attributes) => Redacted.make(headers)),
      () => "got something else"
    ),
  isSecret: true
}

const hasCredentials = (url: string) => {
  const { password, username } = new URL(url)
  return username !== "" || password !== ""
}

/** Fetch refuses a URL with credentials, in words that show them. */
export const endpoint: Format<string> = {
  ...Formats.httpUrl,
  takes: "an http or https URL",
  parse: (text) =>
    Either.filterOrLeft(
      Formats.httpUrl.parse(text),
      (url) => !hasCredentials(url),
      () => "got one with a user or a password, which belong into OTEL_EXPORTER_OTLP_HEADERS"
    )
}

export const ratio = format("a number, 0 to 1", (text) =>
  Option.liftPredicate(Number(text), (value) => value >= 0 && value <= 1)
)
