import {
  cut,
  defaultOutputDir,
  type ExecutionId,
  type ExecutionRequest,
  InvalidRequest
} from "@bulkhead/domain"
import { Either } from "effect"
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

const inputPlace: Place = {
  field: "stdin",
  path: Program.inputFile,
  name: "the program's standard input",
  holdsFiles: false
}

const placesIn = ({ files, outputDir, stdin }: ExecutionRequest, { file }: Runtime): ReadonlyArray<Place> => [
  { field: "code", path: file, name: "the program's own file", holdsFiles: false },
  ...(stdin === undefined ? [] : [inputPlace]),
  { field: "outputDir", path: outputDir ?? defaultOutputDir, name: "the output directory", holdsFiles: true },
  ...files.map(({ path }, index) => ({
    field: `files.${index}.path`,
    path,
    name: `files.${index}`,
    holdsFiles: false
  }))
]

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

/** Refuses a request of which one file would take the place of another, or of the output directory. */
export const check = (
  executionId: ExecutionId,
  request: ExecutionRequest,
  runtime: Runtime
): Either.Either<void, InvalidRequest> => {
  const places = placesIn(request, runtime)
  for (const [index, place] of places.entries()) {
    for (const taken of places.slice(0, index)) {
      const found = conflict(place, taken)
      if (found === undefined) continue
      const { field } = place
      return Either.left(new InvalidRequest({ executionId, field, message: `${field}: ${found}` }))
    }
  }
  return Either.void
}
