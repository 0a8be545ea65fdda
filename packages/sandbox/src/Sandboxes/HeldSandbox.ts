import type { Context, Effect } from "effect"
import type { Sandbox } from "./SandboxProvider.js"

/** A sandbox that somebody holds, so that the reaper leaves it alone. */
export interface HeldSandbox extends Context.Tag.Service<Sandbox> {
  /** Destroys it and lets go of it. Whether it is gone; what is not within ten seconds is left to the reaper. */
  readonly release: Effect.Effect<boolean>
}
