import { Schema } from "effect"
import { UserId } from "./UserId.js"

const number = (description: string, example: number) =>
  Schema.Number.annotations({ description, examples: [example] })

/**
 * What one execution used of its sandbox, as a provider bills it: what was allotted, for as long as the sandbox lived.
 */
export const Usage = Schema.Struct({
  sandboxMs: number("Milliseconds that the sandboxes lived, all attempts together.", 31_000),
  vcpuSeconds: number("What they had of processors: vCPUs, times the seconds that they lived.", 62),
  gibSeconds: number("What they had of memory: GiB, times the seconds that they lived.", 15.5),
  gpuSeconds: number("GPUs that they had, times the seconds that they lived.", 0),
  artifactBytes: number("Bytes of the artifacts that were kept.", 1024),
  networkConnections: Schema.optional(
    number("Connections that were allowed. Absent: nobody counts them there.", 12)
  ),
  networkDenied: Schema.optional(number("Connections that were refused, likewise.", 1)),
  sentBytes: Schema.optional(number("Bytes that were sent into the network, likewise.", 2048)),
  receivedBytes: Schema.optional(number("Bytes that came from it, likewise.", 1_048_576)),
  costUsd: number("What that costs by the prices of the settings, in US dollars.", 0.0012)
})
export type Usage = typeof Usage.Type

/** The usage of one user in a span of time. */
export const UserUsage = Schema.Struct({
  userId: UserId,
  executions: number("Executions that ended in that time.", 40),
  ...Usage.fields
})
export type UserUsage = typeof UserUsage.Type
