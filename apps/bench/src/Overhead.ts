import { Schema } from "effect"
import { Measured } from "./Comparison.js"
import type { Options } from "./Options.js"
import * as ServiceBesideProvider from "./ServiceBesideProvider.js"

export const Result = Schema.Array(Measured)

/** How long one execution takes through the service and without it, one at a time. */
export const measure = (options: Options) => ServiceBesideProvider.measure(1, options)

/** Milliseconds that the service adds to the median execution. */
export const added = (rows: ReadonlyArray<Measured>) => {
  const [direct, service] = rows
  return (service?.p50 ?? Number.NaN) - (direct?.p50 ?? Number.NaN)
}
