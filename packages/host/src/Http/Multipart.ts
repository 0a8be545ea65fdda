import * as ContentDisposition from "content-disposition"
import { Effect, Option } from "effect"
import * as Multipasta from "multipasta"
import { BodyUnreadable } from "../HostErrors.js"
import type { HttpRequest } from "./HttpRequest.js"

/** What comes next in a multipart body. */
export type MultipartEvent =
  | { readonly _tag: "PartStart"; readonly name: string; readonly filename: Option.Option<string> }
  | { readonly _tag: "PartBytes"; readonly bytes: Uint8Array }
  | { readonly _tag: "PartEnd" }
  /** The last boundary. */
  | { readonly _tag: "End" }

const reasons: Record<Multipasta.MultipartError["_tag"], string> = {
  InvalidBoundary: "the multipart body has no boundary",
  BadHeaders: "the headers of a part are malformed",
  InvalidDisposition: "a part has no name",
  ReachedLimit: "the multipart body is too large",
  EndNotReached: "the multipart body ends before its last boundary"
}

const unreadable = (tag: Multipasta.MultipartError["_tag"]) => new BodyUnreadable({ message: reasons[tag] })

type Next = Effect.Effect<MultipartEvent, BodyUnreadable>

interface Parser {
  readonly parse: (bytes: Uint8Array) => void
  /** What was found and not yet taken, in order. */
  readonly found: Array<Next>
}

/** What Go's `mime` takes a backslash away from; before anything else it stands for itself, as Windows has it in paths. */
const escaped = /[()<>@,;:\\"/[\]?=]/

/** Read as E2B does, by Go's `mime.ParseMediaType`. The parser's own reading knows no character beyond U+00FF. */
const dispositionOf = (headers: Multipasta.PartInfo["headers"]) => {
  const text = String(headers["content-disposition"] ?? "")
  return ContentDisposition.parse(
    text.replaceAll(/\\(.)/gs, (pair, next) => (escaped.test(next) ? pair : `\\${pair}`))
  ).parameters
}

/** Every part is taken as a file, whatever its type and whether or not it names one: its bytes come as they are. */
const makeParser = (contentType: string): Parser => {
  const found: Array<Next> = []
  const add = (event: MultipartEvent): void => void found.push(Effect.succeed(event))
  const parser = Multipasta.make({
    headers: { "content-type": contentType },
    isFile: () => true,
    onField: () => {},
    onFile: ({ headers }) => {
      const { filename, name } = dispositionOf(headers)
      if (name === undefined) found.push(unreadable("InvalidDisposition"))
      else add({ _tag: "PartStart", name, filename: Option.fromNullable(filename) })
      return (bytes) => add(bytes === null ? { _tag: "PartEnd" } : { _tag: "PartBytes", bytes })
    },
    onError: ({ _tag }) => void found.push(unreadable(_tag)),
    onDone: () => add({ _tag: "End" })
  })
  return { parse: parser.write, found }
}

/** Reads a multipart body: each run gives what comes next, up to the end. */
export const reader = (request: HttpRequest): Next => {
  const { found, parse } = makeParser(request.header("content-type"))
  const bytes = Effect.mapError(
    request.nextBytes,
    Option.getOrElse(() => unreadable("EndNotReached"))
  )
  const parseMore = Effect.flatMap(bytes, (more) =>
    Effect.try({ try: () => parse(more), catch: () => unreadable("BadHeaders") })
  )
  const next: Next = Effect.suspend(() => found.shift() ?? Effect.zipRight(parseMore, next))
  return next
}
