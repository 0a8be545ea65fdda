import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { Data, Effect } from "effect"
import { sums } from "./Sums.js"

/** The processors that there is a binary for, by Node's names. */
export type Architecture = keyof typeof sums

/** The guest's binary is not where it was shipped. */
export class GuestMissing extends Data.TaggedError("GuestMissing")<{
  readonly message: string
}> {}

/** The architecture of that name, if there is a binary for it. */
export const architectureOf = (name: string): Architecture | undefined =>
  Object.hasOwn(sums, name) ? (name as Architecture) : undefined

const placeOf = (architecture: Architecture) => `/opt/bulkhead/guest-${sums[architecture].slice(0, 16)}`

/** Where a sandbox's image has the program. Named by its contents, so that no other version is taken for it. */
export const places: Readonly<Record<Architecture, string>> = { x64: placeOf("x64"), arm64: placeOf("arm64") }

/** The binary's name, beside a bundle too. */
export const fileName = (architecture: Architecture): string => `guest-${architecture}`

const readFirst = (
  places: ReadonlyArray<string>
): Effect.Effect<readonly [string, Uint8Array], GuestMissing> =>
  Effect.firstSuccessOf(
    places.map((place) =>
      Effect.tryPromise({
        try: async () => [place, new Uint8Array(await readFile(place))] as const,
        catch: () => new GuestMissing({ message: `the guest program is missing: put it at ${places[0]}` })
      })
    )
  )

/** The binary's path and bytes: beside a bundle, or in this package. */
export const read = Effect.fn("Guest.read")((architecture: Architecture) =>
  readFirst(
    [`./${fileName(architecture)}`, `../bin/${fileName(architecture)}`].map((relative) =>
      fileURLToPath(new URL(relative, import.meta.url))
    )
  ).pipe(Effect.map(([path, bytes]) => ({ path, bytes })))
)

/** The binary for the way into an image that lacks it: compressed with gzip, in base64, some 64 KB. */
export const packed = Effect.fn("Guest.packed")(function* (architecture: Architecture) {
  const { bytes } = yield* read(architecture)
  const compressed = yield* Effect.promise(() => promisify(gzip)(bytes, { level: 9 }))
  return compressed.toString("base64")
})
