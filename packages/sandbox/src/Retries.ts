import { Duration, Schedule } from "effect"
import type { LimitValues } from "./Limits.js"
import type { SandboxFailure } from "./SandboxProvider.js"

/** Whether doing it again is safe and may help. Code that may already have run is run again only with leave. */
export const isRetryable = (failure: SandboxFailure, mayRunAgain: boolean) =>
  failure.retryable && (mayRunAgain || !failure.mayHaveRun)

/** Exponential with jitter, never sooner than the provider asked, as often as the limits allow. */
export const schedule = (limits: LimitValues) =>
  Schedule.exponential(Duration.millis(limits.retryBackoffMs)).pipe(
    Schedule.jittered,
    Schedule.intersect(Schedule.recurs(limits.maxRetries)),
    Schedule.zipRight(Schedule.identity<SandboxFailure>()),
    Schedule.modifyDelay((failure, delay) => Duration.max(delay, Duration.seconds(failure.retryAfter ?? 0)))
  )
