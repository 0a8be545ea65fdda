import {
  cut,
  defaultOutputDir,
  type ExecutionId,
  type ExecutionRequest,
  InvalidRequest
} from "@bulkhead/domain"
import { Array as Arr, Either, Order } from "effect"
import type { Runtime } from "../Sandboxes/Toolchain.js"
import * as Program from "../Supervision/Program.js"

/** Something that a request puts into the program's home. */
interface Place {
  readonly field: string
  readonly path: string
  /** What it is, in a refusal of something else. */
  readonly name: string
  readonly holdsFiles: boolean
}

const programPlace = ({ file }: Runtime): Place => ({
  field: "code",
  path: file,
  name: "the program's own file",
  holdsFiles: false
})

const outputPlace = ({ outputDir = defaultOutputDir }: ExecutionRequest): Place => ({
  field: "outputDir",
  path: outputDir,
  name: "the output directory",
  holdsFiles: true
})

const inputPlace: Place = {
  field: "stdin",
  path: Program.inputFile,
  name: "the program's standard input",
  holdsFiles: false
}

const filePlaces = ({ files }: ExecutionRequest): ReadonlyArray<Place> =>
  files.map(({ path }, index) => ({
    field: `files.${index}.path`,
    path,
    name: `files.${index}`,
    holdsFiles: false
  }))

const liesIn = (path: string, directory: string) => path.startsWith(`${directory}/`)

/** Why a place cannot be beside one that is taken. Absent: it can. */
const conflict = (place: Place, taken: Place): string | undefined => {
  const wanted = `'${cut(place.path)}'`
  const there = `'${cut(taken.path)}'`
  if (place.path === taken.path) return `${wanted} is ${taken.name} already`
  if (liesIn(place.path, taken.path) && !taken.holdsFiles)
    return `${wanted} lies in ${there}, which ${taken.name} is`
  if (liesIn(taken.path, place.path) && !place.holdsFiles)
    return `${wanted} has ${there} in it, which ${taken.name} is`
  return undefined
}

/** Puts what lies in a directory right behind it. */
const byPath = Order.mapInput(Order.string, ({ path }: Place) => path.replaceAll("/", "\0"))

/** Two places of files of which one takes, or lies in, the other's are neighbours, or so are two others. */
const neighbours = (places: ReadonlyArray<Place>) => {
  const sorted = Arr.sort(places, byPath)
  return Arr.zip(sorted, sorted.slice(1))
}

/** Refuses a request of which one file would take the place of another, or of the output directory. */
export const check = (
  executionId: ExecutionId,
  request: ExecutionRequest,
  runtime: Runtime
): Either.Either<void, InvalidRequest> => {
  const own = [programPlace(runtime), ...(request.stdin === undefined ? [] : [inputPlace])]
  const output = outputPlace(request)
  const files = filePlaces(request)
  const ranks = new Map([...own, output, ...files].map((place, index) => [place, index] as const))
  const rankOf = (place: Place) => ranks.get(place) ?? 0
  const closed = [...own, ...files]
  const pairs = [...closed.map((place) => [place, output] as const), ...neighbours(closed)]
  const faults = pairs.flatMap(([one, other]) => {
    // What comes later is in the way of what came before.
    const [taken, place] = rankOf(one) < rankOf(other) ? [one, other] : [other, one]
    const why = conflict(place, taken)
    return why === undefined ? [] : [{ place, why }]
  })
  const [first] = faults.sort((one, other) => rankOf(one.place) - rankOf(other.place))
  if (first === undefined) return Either.void
  const { field } = first.place
  return Either.left(new InvalidRequest({ executionId, field, message: `${field}: ${first.why}` }))
}
