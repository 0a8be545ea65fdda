import { Either, Schema } from "effect"

const Names = Schema.NonEmptyArray(Schema.NonEmptyString.pipe(Schema.maxLength(200))).pipe(
  Schema.maxItems(200)
)

const isRegExp = (text: string) => Either.isRight(Either.try(() => new RegExp(text, "su")))

const Expression = Schema.String.pipe(
  Schema.maxLength(1000),
  Schema.filter((text) => isRegExp(text) || "expected a regular expression of JavaScript")
)

/** What a program must do. What is absent does not matter. */
export const Pattern = Schema.Struct({
  /** Calls one of these functions, by their full names, or commands; `*` stands for anything. */
  calls: Schema.optional(Names),
  /** And each of these expressions matches a constant text among the arguments. */
  arguments: Schema.optional(Schema.Array(Expression).pipe(Schema.maxItems(8))),
  /** And an argument was made with one of these calls. */
  madeWith: Schema.optional(Names),
  /** And it stands there. */
  in: Schema.optional(Schema.Array(Schema.Literal("endless-loop", "recursion"))),
  /** Instead of a call: has a constant text that matches. */
  text: Schema.optional(Expression)
}).pipe(
  Schema.filter(
    ({ calls, text }) => (calls === undefined) !== (text === undefined) || "expected either calls or text"
  )
)
export type Pattern = typeof Pattern.Type

/** A rule: a program that matches all of its patterns, anywhere, does what `message` says. */
export const Rule = Schema.Struct({
  id: Schema.String.pipe(Schema.pattern(/^[a-z0-9][a-z0-9-]{0,63}$/)),
  /** What such code is usually for, like `reverse-shell`. */
  kind: Schema.String.pipe(Schema.pattern(/^[a-z0-9][a-z0-9-]{0,63}$/)),
  /** Of the program, or of a program within it. TypeScript counts as JavaScript. */
  languages: Schema.NonEmptyArray(Schema.Literal("python", "javascript", "bash")),
  message: Schema.NonEmptyString.pipe(Schema.maxLength(200)),
  all: Schema.NonEmptyArray(Pattern).pipe(Schema.maxItems(8))
})
export type Rule = typeof Rule.Type

export const Rules = Schema.Array(Rule).pipe(Schema.maxItems(500))
