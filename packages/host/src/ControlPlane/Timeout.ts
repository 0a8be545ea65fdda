import { Effect, Schema } from "effect"
import { RequestRefused } from "../HostErrors.js"

/** How long a sandbox is to live, in seconds. */
export const Seconds = Schema.Number.pipe(Schema.finite(), Schema.nonNegative()).annotations({
  description: "a number of seconds, 0 or more"
})

const tooLong = (maxLifetime: number) =>
  new RequestRefused({
    status: 400,
    message: `timeout must not be greater than ${maxLifetime / 1000} seconds`
  })

/**
 * A timeout as a lifetime in milliseconds. Without one a sandbox lives the default, in seconds. Refused where no
 * sandbox may live so long.
 */
export const toLifetime = (
  timeout: number | undefined,
  defaultTimeout: number,
  maxLifetime: number
): Effect.Effect<number, RequestRefused> => {
  if (timeout === undefined) return Effect.succeed(Math.min(defaultTimeout * 1000, maxLifetime))
  return timeout * 1000 <= maxLifetime ? Effect.succeed(timeout * 1000) : tooLong(maxLifetime)
}
