import { Duration, Effect, Schedule } from "effect"
import type { LimitValues } from "../Limits.js"
import type { SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import * as SteadyClock from "../SteadyClock.js"

/** Whether doing it again is safe and may help. Code that may already have run is run again only with leave. */
export const isRetryable = (failure: SandboxFailure, mayRunAgain: boolean) =>
  failure.retryable && (mayRunAgain || !failure.mayHaveRun)

/** Jitter makes fractions, which a clock of whole milliseconds cannot hold. */
const wholeMillis = (delay: Duration.Duration) => Duration.millis(Math.ceil(Duration.toMillis(delay)))

/**
 * Exponential with jitter, never sooner than the provider asked, as often as the limits allow, and only while the next
 * try comes before the deadline (milliseconds of the `SteadyClock`).
 */
export const schedule = (limits: LimitValues, deadline: number) =>
  Schedule.exponential(Duration.millis(limits.retryBackoffMs)).pipe(
    Schedule.jittered,
    Schedule.intersect(Schedule.recurs(limits.maxRetries)),
    Schedule.zipRight(Schedule.identity<SandboxFailure>()),
    Schedule.modifyDelay((failure, delay) =>
      wholeMillis(Duration.max(delay, Duration.seconds(failure.retryAfter ?? 0)))
    ),
    Schedule.delays,
    Schedule.whileOutputEffect((delay) =>
      Effect.map(SteadyClock.now, (now) => now + Duration.toMillis(delay) < deadline)
    )
  )
