import { UpdateId } from "@bulkhead/domain"

export type OutputStream = "stdout" | "stderr"

/** How far a reader has come in an execution's updates. Output is counted in bytes of its attempt. */
export interface UpdatePosition {
  /** 0 for the first. */
  readonly attempt: number
  /** Updates that are neither output nor artifacts. */
  readonly others: number
  readonly stdout: number
  readonly stderr: number
  /** Files that were kept, and that were refused. */
  readonly kept: number
  readonly refused: number
}

export const beginning: UpdatePosition = {
  attempt: 0,
  others: 0,
  stdout: 0,
  stderr: 0,
  kept: 0,
  refused: 0
}

/** The id of the last update. */
export const endId = UpdateId.make("end")

export const idOf = ({ attempt, kept, others, refused, stderr, stdout }: UpdatePosition) =>
  UpdateId.make([attempt, others, stdout, stderr, kept, refused].join("-"))

/** Nothing comes after the last update. */
export const ofId = (id: UpdateId): UpdatePosition | "end" => {
  if (id === endId) return "end"
  const [attempt = 0, others = 0, stdout = 0, stderr = 0, kept = 0, refused = 0] = id.split("-").map(Number)
  return { attempt, others, stdout, stderr, kept, refused }
}

const sum = ({ kept, others, refused, stderr, stdout }: UpdatePosition) =>
  others + stdout + stderr + kept + refused

/** Whether the first comes before the second. */
export const isBefore = (a: UpdatePosition, b: UpdatePosition) =>
  a.attempt === b.attempt ? sum(a) < sum(b) : a.attempt < b.attempt

/** After another attempt has begun. */
export const ofRetry = ({ others }: UpdatePosition, attempt: number): UpdatePosition => ({
  ...beginning,
  attempt,
  others: others + 1
})
