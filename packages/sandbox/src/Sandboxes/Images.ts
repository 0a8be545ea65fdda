import { ImageName } from "@bulkhead/domain"
import { Context, Either, Schema } from "effect"

/** The images that there are, each with the place where its provider finds it. */
export type ImagePlaces = ReadonlyMap<ImageName, string>

/** What the embedded host and E2B call the plain sandbox. */
const plain = "base"

const mostImages = 64

const isName = Schema.is(ImageName)

const placeOf = (pair: string): Either.Either<readonly [name: ImageName, place: string], string> => {
  const [, name = "", place = ""] = /^([^=]*)=(.*)$/s.exec(pair.trim()) ?? []
  if (!isName(name) || name === plain || place.trim() === "") return Either.left(`got '${pair.trim()}'`)
  return Either.right([name, place.trim()])
}

const withoutDoubles = (
  places: ReadonlyArray<readonly [ImageName, string]>
): Either.Either<ImagePlaces, string> => {
  const names = places.map(([name]) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) return Either.left(`got '${twice}' twice`)
  return places.length > mostImages
    ? Either.left(`got ${places.length}, where ${mostImages} is the most`)
    : Either.right(new Map(places))
}

/**
 * The images that requests may choose, each with the template that the provider knows it by: none unless told. What is
 * not chosen is not looked at, so that an image that is broken is refused to those alone who ask for it.
 */
export class Images extends Context.Reference<Images>()("@bulkhead/sandbox/Images", {
  defaultValue: (): ImagePlaces => new Map()
}) {
  /** What `SANDBOX_IMAGES` takes. */
  static readonly takes =
    "name=place pairs, separated by commas: each name once, of lower-case letters, digits and -, beginning with a letter, " +
    `not '${plain}'; each place an image's directory, or on E2B a template`

  /** Reads that, in the operator's order; or says what was got in its place. */
  static parse(text: string): Either.Either<ImagePlaces, string> {
    return Either.flatMap(Either.all(text.split(",").map(placeOf)), withoutDoubles)
  }
}
