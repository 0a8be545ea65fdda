import { Schema } from "effect"

/** Most rows of one page, and how many there are unless told. */
export const largestPage = 1000
export const usualPage = 100

/** Which page of a list is asked for. */
export const PageRequest = Schema.Struct({
  /** Where the page before this one ended: its `nextCursor`. */
  cursor: Schema.optional(Schema.String),
  /** Rows, 1 to 1000; 100 unless told. */
  limit: Schema.optional(Schema.Int.pipe(Schema.between(1, largestPage)))
})
export type PageRequest = typeof PageRequest.Type

/** Part of a list. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Asks for the rows after these. Absent: there are none. */
  readonly nextCursor?: string
}
