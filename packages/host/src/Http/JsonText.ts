import { Either, Option, type ParseResult, Schema, SchemaAST } from "effect"

/** Something that is wrong with a value: where, and what the schema takes there. */
interface Fault {
  readonly path: ReadonlyArray<PropertyKey>
  readonly wanted: string
}

/** What a schema takes, in a few words: as it describes itself, and without the parts it is made of. */
const wordsFor = (ast: SchemaAST.AST): string => {
  if (SchemaAST.isTypeLiteral(ast)) return "an object"
  if (SchemaAST.isTupleType(ast)) return "a list"
  if (SchemaAST.isLiteral(ast)) return String(ast.literal)
  return Option.getOrElse(SchemaAST.getDescriptionAnnotation(ast), () => "something else")
}

const faultsIn = (issue: ParseResult.ParseIssue, path: Fault["path"]): ReadonlyArray<Fault> => {
  switch (issue._tag) {
    case "Pointer":
      return faultsIn(issue.issue, path.concat(issue.path))
    case "Composite":
      return [issue.issues].flat().flatMap((each) => faultsIn(each, path))
    case "Missing":
      return [{ path, wanted: "given" }]
    case "Unexpected":
      return [{ path, wanted: "left out: this host does not have it" }]
    case "Transformation":
      return faultsIn(issue.issue, path)
    case "Refinement":
      return issue.kind === "From" ? faultsIn(issue.issue, path) : [{ path, wanted: wordsFor(issue.ast) }]
    default:
      // That a field may be left out is no news to who has sent it.
      return SchemaAST.isUndefinedKeyword(issue.ast) ? [] : [{ path, wanted: wordsFor(issue.ast) }]
  }
}

/** The fault that lies deepest: of the ways in which a value could have been right, that one was nearest. */
const reasonOf = ({ issue }: ParseResult.ParseError): string => {
  const faults = faultsIn(issue, []).map(({ path, wanted }) => ({ place: path.map(String), wanted }))
  const depth = Math.max(...faults.map(({ place }) => place.length))
  const [place = ""] = faults
    .filter((fault) => fault.place.length === depth)
    .map((fault) => fault.place.join("."))
  const wanted = faults.filter((fault) => fault.place.join(".") === place).map((fault) => fault.wanted)
  return `${place === "" ? "it" : place} must be ${[...new Set(wanted)].join(" or ")}`
}

const parse = Schema.decodeEither(Schema.parseJson())

/**
 * Reads JSON as a schema has it, or says why not. Make it once for each schema: that costs far more than its use. Fields
 * that the schema does not have are left out unless `onExcessProperty` says that they are an error.
 */
export const decoder = <A, I>(
  schema: Schema.Schema<A, I>,
  options?: Pick<SchemaAST.ParseOptions, "onExcessProperty">
): ((text: string) => Either.Either<A, string>) => {
  const decode = Schema.decodeUnknownEither(schema, options)
  return (text) =>
    Either.flatMap(
      Either.mapLeft(parse(text), () => "it is not JSON"),
      (value) => Either.mapLeft(decode(value), reasonOf)
    )
}
