import { Encoding, Option, Schema } from "effect"

/** Opaque to callers: where a page ended, as the columns it is ordered by. */
export const encode = (place: ReadonlyArray<string | number>) =>
  Encoding.encodeBase64Url(JSON.stringify(place))

/** None: nobody here gave out such a cursor. */
export const decode = <A extends ReadonlyArray<string | number>, I>(
  place: Schema.Schema<A, I>
): ((cursor: string) => Option.Option<A>) => {
  const parse = Schema.decodeUnknownOption(Schema.parseJson(place))
  return (cursor) => Option.flatMap(Option.getRight(Encoding.decodeBase64UrlString(cursor)), parse)
}
