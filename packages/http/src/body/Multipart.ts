import * as ContentDisposition from "content-disposition"
import { Data, Effect, Option, type Scope, Stream } from "effect"
import * as Multipasta from "multipasta"

/** What comes next in a multipart body. */
export type MultipartEvent = Data.TaggedEnum<{
  PartStart: { readonly name: string; readonly filename: Option.Option<string> }
  PartBytes: { readonly bytes: Uint8Array }
  PartEnd: object
  /** The last boundary. */
  End: object
}>
const MultipartEvent = Data.taggedEnum<MultipartEvent>()

/** A body is not what multipart bodies are. */
export class Malformed extends Data.TaggedError("Malformed")<{ readonly message: string }> {}

const reasons: Record<Multipasta.MultipartError["_tag"], string> = {
  InvalidBoundary: "it has no boundary",
  BadHeaders: "the headers of a part are malformed or too long",
  InvalidDisposition: "a part has no name",
  ReachedLimit: "it is too large",
  EndNotReached: "it ends before its last boundary"
}

const malformed = (tag: Multipasta.MultipartError["_tag"]) => new Malformed({ message: reasons[tag] })

/** As RFC 2046 has them. */
const boundary = /;\s*boundary=(?:"[\w'()+,./:=? -]{1,70}"|[\w'()+,./:=?-]{1,70})\s*(?:;|$)/i

const plainEncoding = /^(7bit|8bit|binary)$/i

type Next<E, R> = Effect.Effect<MultipartEvent, E | Malformed, R>

interface Parser {
  readonly parse: (bytes: Uint8Array) => void
  /** What was found and not yet taken, in order. */
  readonly found: Array<Effect.Effect<MultipartEvent, Malformed>>
}

/**
 * The parser's own reading of this header knows no character beyond U+00FF. A quote is %22, or \" as curl writes it: then
 * one more follows, that ends the text.
 */
const dispositionOf = (headers: Multipasta.PartInfo["headers"]) => {
  const text = String(headers["content-disposition"] ?? "")
  return ContentDisposition.parse(text, { multipart: !/\\".*"/.test(text) })
}

/** Every part is taken as it comes, whatever its type and whether or not it names a file. */
const makeParser = (contentType: string): Parser => {
  const found: Parser["found"] = []
  const add = (event: MultipartEvent): void => void found.push(Effect.succeed(event))
  const parser = Multipasta.make({
    headers: { "content-type": contentType },
    isFile: () => true,
    onField: () => {},
    onFile: ({ headers }) => {
      const { parameters, type } = dispositionOf(headers)
      const { filename, name = "" } = parameters
      const encoding = headers["content-transfer-encoding"]
      if (type !== "form-data" || parameters.name === undefined) found.push(malformed("InvalidDisposition"))
      if (encoding !== undefined && !plainEncoding.test(String(encoding)))
        found.push(new Malformed({ message: "a part has a content-transfer-encoding" }))
      add(MultipartEvent.PartStart({ name, filename: Option.fromNullable(filename) }))
      return (bytes) => add(bytes === null ? MultipartEvent.PartEnd() : MultipartEvent.PartBytes({ bytes }))
    },
    onError: ({ _tag }) => void found.push(malformed(_tag)),
    onDone: () => add(MultipartEvent.End())
  })
  return { parse: parser.write, found }
}

/** Reads a multipart body piece by piece: each run gives what comes next, up to the end. */
export const reader = <E, R>(
  contentType: string,
  body: Stream.Stream<Uint8Array, E, R>
): Effect.Effect<Next<E, R>, Malformed, R | Scope.Scope> =>
  Effect.gen(function* () {
    if (!boundary.test(contentType)) return yield* malformed("InvalidBoundary")
    const { found, parse } = makeParser(contentType)
    const pull = yield* Stream.toPull(body)
    const pieces = Effect.mapError(
      pull,
      Option.getOrElse((): E | Malformed => malformed("EndNotReached"))
    )
    const parseMore = Effect.flatMap(pieces, (more) =>
      Effect.try({ try: () => Array.from(more).forEach(parse), catch: () => malformed("BadHeaders") })
    )
    const next: Next<E, R> = Effect.suspend(() => found.shift() ?? Effect.zipRight(parseMore, next))
    return next
  })

/** The bytes of the part that has started. */
export const partBytes = <E, R>(next: Next<E, R>): Stream.Stream<Uint8Array, E | Malformed, R> =>
  Stream.repeatEffectOption(
    Effect.mapError(next, Option.some).pipe(
      Effect.flatMap((event) =>
        event._tag === "PartBytes" ? Effect.succeed(event.bytes) : Effect.fail(Option.none())
      )
    )
  )
