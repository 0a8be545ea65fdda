import type { UserId } from "@bulkhead/domain"
import { Context, type Redacted } from "effect"

/** A caller's key, and the user it stands for. */
export interface CallerKey {
  readonly userId: UserId
  readonly key: Redacted.Redacted
}

/** The secrets that requests are checked against. */
export class Credentials extends Context.Tag("@bulkhead/server/Credentials")<
  Credentials,
  {
    /** Opens the admin routes. */
    readonly adminToken: Redacted.Redacted
    /** Empty: everybody on this machine may run code, under any user's name. */
    readonly callerKeys: ReadonlyArray<CallerKey>
  }
>() {}
