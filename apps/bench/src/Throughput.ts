import { Schema } from "effect"
import { Measured } from "./Comparison.js"
import type { Options } from "./Options.js"
import * as ServiceBesideProvider from "./ServiceBesideProvider.js"

/** As many as the specification lets run at once. */
const permits = 50

export const Result = Schema.Array(Measured)

/** How many executions a second go through the service when all its permits are in use. */
export const measure = (options: Options) => ServiceBesideProvider.measure(permits, options)
