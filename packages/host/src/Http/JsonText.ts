import { Either, Schema } from "effect"

/** Reads JSON as a schema has it, or says why not. Make it once for each schema: that costs far more than its use. */
export const decoder = <A, I>(schema: Schema.Schema<A, I>): ((text: string) => Either.Either<A, string>) => {
  const decode = Schema.decodeEither(Schema.parseJson(schema))
  return (text) => Either.mapLeft(decode(text), (error) => error.message.replace(/\s+/g, " "))
}
