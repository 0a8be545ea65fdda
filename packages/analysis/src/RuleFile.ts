import { Either, ParseResult, Schema } from "effect"
import { ownRules } from "./OwnRules.js"
import { type Rule, Rules } from "./Rule.js"

const decode = Schema.decodeUnknownEither(Schema.parseJson(Rules), { onExcessProperty: "error" })

/** Reads the text of a file of rules, a list in JSON. Left: what is wrong with it, with its place. */
export const parse = (text: string): Either.Either<ReadonlyArray<Rule>, string> =>
  Either.flatMap(
    Either.mapLeft(decode(text), (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      return issue === undefined
        ? "expected a list of rules"
        : `${issue.path.join(".") || "the file"}: ${issue.message}`
    }),
    (rules) => {
      const taken = new Set(ownRules.map(({ id }) => id))
      const twice = rules.find(({ id }) => taken.size === taken.add(id).size)
      return twice === undefined ? Either.right(rules) : Either.left(`the id '${twice.id}' is taken`)
    }
  )
