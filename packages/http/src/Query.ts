import type { Page } from "@bulkhead/domain"
import { shownName } from "@bulkhead/domain"
import { HttpServerRequest } from "@effect/platform"
import { Effect } from "effect"
import * as SmallBody from "./body/SmallBody.js"

/** For routes without parameters. */
export const none = Effect.gen(function* () {
  const [first] = Object.keys(yield* HttpServerRequest.ParsedSearchParams)
  if (first === undefined) return
  return yield* SmallBody.malformed({
    message: `${shownName(first)}: is unexpected, expected no parameters`
  })
})

/** How the answer says that there is more of a list. */
export const after = <A>({ nextCursor }: Page<A>) => (nextCursor === undefined ? {} : { nextCursor })
