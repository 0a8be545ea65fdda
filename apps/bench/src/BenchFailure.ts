import { Data } from "effect"

/** Something did not do what it is measured doing, so that no number can be given. */
export class BenchFailure extends Data.TaggedError("BenchFailure")<{ readonly message: string }> {}
