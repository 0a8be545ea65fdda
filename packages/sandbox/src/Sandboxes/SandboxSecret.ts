import type { SecretHeader } from "@bulkhead/domain"
import type { Redacted } from "effect"

/** A secret that the programs of one sandbox may use at its hosts, without having it. */
export interface SandboxSecret {
  /** The variable in which the program finds the placeholder. */
  readonly name: string
  readonly value: Redacted.Redacted<string>
  /** What the program has in its place. No two sandboxes have the same. */
  readonly placeholder: string
  /** Names in lower case, each with a port unless that is 443. */
  readonly hosts: ReadonlyArray<string>
  /** Set on every request to the hosts. Absent: the value takes the placeholder's place in any header. */
  readonly header?: SecretHeader
}
