import { ImageName } from "@bulkhead/domain"
import { Either, Schema } from "effect"
import type { Format } from "./Setting.js"

/** An image and where the backend finds it: the directory of an image, or a template of E2B's. */
export type Place = readonly [name: ImageName, place: string]

const mostImages = 64

/** What the embedded host and E2B call the plain sandbox. */
const plain = "base"

const isName = Schema.is(ImageName)

const placeOf = (pair: string): Either.Either<Place, string> => {
  const [, name = "", place = ""] = /^([^=]*)=(.*)$/s.exec(pair.trim()) ?? []
  if (!isName(name) || name === plain || place.trim() === "") return Either.left(`got '${pair.trim()}'`)
  return Either.right([name, place.trim()])
}

const withoutDoubles = (
  places: ReadonlyArray<Place>
): Either.Either<ReadonlyMap<ImageName, string>, string> => {
  const names = places.map(([name]) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) return Either.left(`got '${twice}' twice`)
  return places.length > mostImages
    ? Either.left(`got ${places.length}, where ${mostImages} is the most`)
    : Either.right(new Map(places))
}

/** Images by their names, in the operator's order. */
export const format: Format<ReadonlyMap<ImageName, string>> = {
  takes:
    "name=place pairs, separated by commas: each name once, of lower-case letters, digits and -, beginning with a letter, " +
    `not '${plain}'; each place an image's directory, or on E2B a template`,
  parse: (text) => Either.flatMap(Either.all(text.split(",").map(placeOf)), withoutDoubles),
  isSecret: false
}
