import { Schema } from "effect"
import { UserId } from "./UserId.js"

/**
 * What one execution used of its sandbox, as a provider bills it: what was allotted, for as long as the sandbox lived.
 */
export const Usage = Schema.Struct({
  /** Milliseconds the sandboxes of this execution lived, all attempts together. */
  sandboxMs: Schema.Number,
  vcpuSeconds: Schema.Number,
  gibSeconds: Schema.Number,
  artifactBytes: Schema.Number,
  costUsd: Schema.Number
})
export type Usage = typeof Usage.Type

/** The usage of one user in a span of time. */
export const UserUsage = Schema.Struct({
  userId: UserId,
  executions: Schema.Number,
  ...Usage.fields
})
export type UserUsage = typeof UserUsage.Type
