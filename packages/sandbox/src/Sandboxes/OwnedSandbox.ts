import type { Context } from "effect"
import type { Sandbox } from "./SandboxProvider.js"

/** A sandbox that has an owner in this life of the service, so that the reaper leaves it alone. */
export interface OwnedSandbox extends Context.Tag.Service<Sandbox> {
  /** What the sandbox is tagged with for as long as it has an owner. */
  readonly ownership: string
}
