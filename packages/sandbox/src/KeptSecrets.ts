import type { OwnSecret, UserId } from "@bulkhead/domain"
import { Context } from "effect"

/** The secrets that the operator keeps, which requests may name. Default: none. */
export class KeptSecrets extends Context.Reference<KeptSecrets>()("@bulkhead/sandbox/KeptSecrets", {
  defaultValue: (): {
    /** One that this user may use. */
    readonly find: (userId: UserId, name: string) => OwnSecret | undefined
  } => ({ find: () => undefined })
}) {}
