import { largestPage, usualPage } from "@bulkhead/domain"
import { ParseResult, Schema } from "effect"

const numberFrom = (expected: string, description: string, read: (text: string) => number) =>
  Schema.transformOrFail(Schema.String.annotations({ description }), Schema.Number, {
    strict: true,
    decode: (text, _, ast) => {
      const value = read(text)
      return Number.isNaN(value)
        ? ParseResult.fail(new ParseResult.Type(ast, text, `expected ${expected}`))
        : ParseResult.succeed(value)
    },
    encode: (value) => ParseResult.succeed(String(value))
  })

/** The last millisecond that a date can stand for. */
const lastMillis = 8.64e15
const isoForm = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/

/** A date like 30 February counts on into March, and comes back as another. */
const isDay = (day: string) => {
  const millis = Date.parse(day)
  return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(day)
}

const millisOf = (text: string) => {
  if (/^\d{1,16}$/.test(text)) return Number(text) <= lastMillis ? Number(text) : Number.NaN
  const [, day] = isoForm.exec(text) ?? []
  return day !== undefined && isDay(day) ? Date.parse(text) : Number.NaN
}

/** A moment, in milliseconds since the epoch; also written as ISO 8601, a day alone in UTC. */
export const Instant = numberFrom(
  "milliseconds since the epoch, or ISO 8601 like 2026-01-31 or 2026-01-31T12:00:00Z",
  "Milliseconds since the epoch, or ISO 8601 (a day alone is in UTC).",
  millisOf
)

const Rows = numberFrom(`a whole number, 1 to ${largestPage}`, `Rows, 1 to ${largestPage}.`, (text) =>
  /^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= largestPage ? Number(text) : Number.NaN
)

/** A week. */
const mostOverlap = 168

/** For how long a secret goes on signing beside the one after it. */
export const OverlapHours = numberFrom(
  `a whole number of hours, 0 to ${mostOverlap}`,
  `Hours that the secret before it signs too, 0 to ${mostOverlap}; 24 unless told.`,
  (text) => (/^\d{1,3}$/.test(text) && Number(text) <= mostOverlap ? Number(text) : Number.NaN)
)

/** One of some words, perhaps; who asks for another is told them all. */
export const oneOf = <const Words extends readonly [string, ...ReadonlyArray<string>]>(
  words: Schema.Literal<[...Words]>,
  description: string
) =>
  Schema.optionalWith(
    words.annotations({
      description,
      message: () => ({ message: `expected one of ${words.literals.join(", ")}`, override: true })
    }),
    { exact: true }
  )

/** Which page of a list; a page has 100 rows unless told. */
export const pageParameters = {
  cursor: Schema.optionalWith(
    Schema.NonEmptyString.annotations({
      message: () => "expected what the page before this one gave; without it, a list begins at its start",
      description: `Where the page before this one ended. A page has ${usualPage} rows unless \`limit\` says otherwise.`
    }),
    { exact: true }
  ),
  limit: Schema.optionalWith(Rows, { exact: true })
}

/** Which span of time; `from` is in it, `to` is not. */
export const spanParameters = {
  from: Schema.optionalWith(Instant, { exact: true }),
  to: Schema.optionalWith(Instant, { exact: true })
}

/** The query of a route: who sends a parameter that it does not have is told which it has. */
export const query = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields).annotations({ parseOptions: { onExcessProperty: "error" } })
