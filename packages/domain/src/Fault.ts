import { Option, type ParseResult, SchemaAST } from "effect"

/** The first thing that is wrong with a value. */
export interface Fault {
  /** The path of what is wrong, its names cut; of the value itself, the name it is given. */
  readonly field: string
  /** What is accepted there, after the path: never longer than a few lines, whatever the value is. */
  readonly message: string
}

/** A fault where it was found: either with its schema's own words, or with what the schema takes. */
interface Found {
  readonly path: ReadonlyArray<PropertyKey>
  readonly actual: unknown
  readonly said?: string
  readonly wanted?: string
}

/** Most characters that a message repeats of one text, and most that it has. */
const mostRepeated = 100
const mostInAll = 500

const halfCharacter = /[\uD800-\uDBFF]$/

/** The text's beginning, where the text is long. */
export const cut = (text: string, most: number = mostRepeated): string =>
  text.length <= most ? text : `${text.slice(0, most).replace(halfCharacter, "")}…`

/** The kind of a value. Never the value itself, which may be a secret. */
const describe = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu

/** A name as it may be shown to people: cut when it is long, and with what cannot be seen escaped. */
export const shownName = (name: PropertyKey): string =>
  cut(String(name)).replaceAll(
    unprintable,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  )

/** What a schema takes, in a few words: as it describes itself, without the parts it is made of. */
const wordsFor = (ast: SchemaAST.AST): string =>
  Option.getOrElse(SchemaAST.getDescriptionAnnotation(ast), () => {
    if (SchemaAST.isTypeLiteral(ast)) return "a JSON object"
    if (SchemaAST.isTupleType(ast)) return "an array"
    return SchemaAST.isLiteral(ast) ? String(ast.literal) : "something else"
  })

const saidBy = (issue: ParseResult.Type): string | undefined => {
  const own = Option.map(SchemaAST.getMessageAnnotation(issue.ast), (messageFor) => messageFor(issue))
  return Option.getOrElse(
    Option.filter(own, (message) => typeof message === "string"),
    () => issue.message
  )
}

const isAbsence = (ast: SchemaAST.AST) =>
  SchemaAST.isUndefinedKeyword(ast) || (SchemaAST.isLiteral(ast) && ast.literal === null)

/** What is said of a name that an object of any names does not take. */
const saidOfName = (issue: ParseResult.Composite): string | undefined => {
  const names = SchemaAST.isTypeLiteral(issue.ast) ? issue.ast.indexSignatures[0]?.parameter : undefined
  const message = names && Option.getOrUndefined(SchemaAST.getMessageAnnotation(names))?.(issue)
  return typeof message === "string" ? message : undefined
}

const faultsIn = (
  issue: ParseResult.ParseIssue,
  path: Found["path"],
  ofName?: string
): ReadonlyArray<Found> => {
  const { actual } = issue
  switch (issue._tag) {
    case "Pointer":
      return faultsIn(issue.issue, path.concat(issue.path), ofName)
    case "Composite":
      return [issue.issues].flat().flatMap((each) => faultsIn(each, path, saidOfName(issue)))
    case "Refinement":
    case "Transformation":
      return faultsIn(issue.issue, path)
    case "Missing":
      return [{ path, actual, said: "is missing" }]
    case "Unexpected":
      return [{ path, actual, said: ofName ?? "is unexpected" }]
    case "Forbidden":
      return [{ path, actual, said: "is forbidden" }]
    case "Type": {
      const said = saidBy(issue)
      if (said !== undefined) return [{ path, actual, said }]
      // That a field may be left out, or be null, is no news to who has sent something else.
      return isAbsence(issue.ast) ? [] : [{ path, actual, wanted: wordsFor(issue.ast) }]
    }
  }
}

const fieldOf = (path: Found["path"]) => cut(path.map(shownName).join("."), 3 * mostRepeated)

/** Of the ways in which the value could have been right, the one that came nearest is the deepest. */
const nearest = (found: ReadonlyArray<Found>) => {
  const deepest = found.reduce<Found | undefined>(
    (best, each) => (best !== undefined && best.path.length >= each.path.length ? best : each),
    undefined
  )
  return found.filter(({ path }) => deepest !== undefined && fieldOf(path) === fieldOf(deepest.path))
}

/** What is wrong with a value that its schema refused. `name` stands for the value itself. */
export const faultOf = ({ issue }: ParseResult.ParseError, name: string): Fault => {
  const found = nearest(faultsIn(issue, []))
  const field = fieldOf(found[0]?.path ?? []) || name
  const said = found.find((each) => each.said !== undefined)?.said
  const wanted = [...new Set(found.map((each) => each.wanted))].join(" or ")
  const message = said ?? `expected ${wanted}, got ${describe(found[0]?.actual)}`
  return { field, message: cut(`${field}: ${message}`, mostInAll) }
}
