import { Encoding, Option, Schema } from "effect"

/** An opaque cursor: the place where a page ended, as the values of the columns it is ordered by. */
export const encode = (place: ReadonlyArray<string | number>) =>
  Encoding.encodeBase64Url(JSON.stringify(place))

/** None: the cursor is not one of ours. */
export const decode = <A extends ReadonlyArray<string | number>, I>(
  place: Schema.Schema<A, I>
): ((cursor: string) => Option.Option<A>) => {
  const parse = Schema.decodeUnknownOption(Schema.parseJson(place))
  return (cursor) => Option.flatMap(Option.getRight(Encoding.decodeBase64UrlString(cursor)), parse)
}
