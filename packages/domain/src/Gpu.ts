import { Schema } from "effect"

/** More than any machine has. */
const mostGpus = 1024

const whole = Schema.Number.pipe(
  Schema.filter((count) => Number.isInteger(count) && count >= 1 && count <= mostGpus, {
    message: () => `expected a whole number of GPUs, 1 to ${mostGpus}`,
    jsonSchema: { multipleOf: 1, minimum: 1, maximum: mostGpus }
  })
)

const Kind = Schema.String.pipe(
  Schema.filter((kind) => /^[\x20-\x7e]{1,100}$/.test(kind) && kind.trim() === kind, {
    message: () => "expected the name of a kind of GPU, 1 to 100 characters of ASCII",
    jsonSchema: { minLength: 1, maxLength: 100 }
  })
)

/** GPUs that a request asks for. */
export const GpuRequest = Schema.Struct({
  count: whole.annotations({ description: "How many whole GPUs the program gets.", examples: [1] }),
  kind: Schema.optionalWith(Kind, { nullable: true }).annotations({
    description: "Of which kind, by the name that its driver gives it; of the most frequent unless told.",
    examples: ["NVIDIA L4"]
  })
})
export type GpuRequest = typeof GpuRequest.Type

/** So many GPUs of one kind. */
export const Gpus = Schema.Struct({
  kind: Schema.String.annotations({
    description: "The name that the driver gives this kind of GPU.",
    examples: ["NVIDIA L4"]
  }),
  count: Schema.Number.annotations({ description: "How many there are of it.", examples: [2] })
})
export type Gpus = typeof Gpus.Type

/**
 * The metadata by which the embedded host is asked for GPUs, like `2 NVIDIA L4`: the SDK has no word for them, and
 * passes metadata on.
 */
export const gpuTag = "bulkhead_gpus"

export const toGpuTag = ({ count, kind }: Gpus): string => `${count} ${kind}`

/** What a tag says. Absent: it says nothing that can be understood. */
export const fromGpuTag = (text: string): Gpus | undefined => {
  const [, count, kind] = /^([1-9]\d{0,3}) (.+)$/.exec(text) ?? []
  return count === undefined || kind === undefined ? undefined : { count: Number(count), kind }
}

/** How many there are of each kind, the most frequent first. */
export const gpusByKind = (kinds: ReadonlyArray<string>): ReadonlyArray<Gpus> =>
  [...new Set(kinds)]
    .map((kind) => ({ kind, count: kinds.filter((each) => each === kind).length }))
    .sort((a, b) => b.count - a.count)

/** In words for people, like `2 NVIDIA L4 and 1 NVIDIA H100`. */
export const describeGpus = (gpus: ReadonlyArray<Gpus>): string =>
  gpus.length === 0 ? "none" : gpus.map(toGpuTag).join(" and ")
