import type { Clock } from "effect"

/** Counts how long the sandboxes of one execution live, one after the other. */
export class Meter {
  /** Milliseconds of those that have ended. */
  sandboxMs = 0
  private bornAt: number | undefined
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  begin(): void {
    this.bornAt = this.clock.unsafeCurrentTimeMillis()
  }

  /** Changes nothing when none lives. */
  end(): void {
    if (this.bornAt !== undefined) this.sandboxMs += this.clock.unsafeCurrentTimeMillis() - this.bornAt
    this.bornAt = undefined
  }
}
