import type { UserId } from "@bulkhead/domain"
import type { Version } from "./Protocol.js"

/** Who asks, and in which version of MCP. */
export interface Caller {
  readonly userId: UserId
  readonly version: Version
}
