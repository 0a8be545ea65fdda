import { type CallerKey, CallerKeys } from "@bulkhead/http"
import type { Format } from "./Setting.js"

/** `user:key` pairs, separated by commas. */
export const format: Format<ReadonlyArray<CallerKey>> = {
  takes: CallerKeys.takes,
  parse: CallerKeys.parse,
  isSecret: true
}
