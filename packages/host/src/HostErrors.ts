import { Data, Schema } from "effect"

/** Sandboxes cannot be isolated on this machine, so nothing runs. The message is one line: what is missing and the remedy. */
export class IsolationUnavailable extends Schema.TaggedError<IsolationUnavailable>()("IsolationUnavailable", {
  /** What is missing or refused. */
  reason: Schema.String,
  /** The exact command or step that mends it. */
  remedy: Schema.String
}) {
  override get message(): string {
    return `Sandboxes cannot be isolated here: ${this.reason}. To fix it: ${this.remedy}`
  }
}

/** The host's server could not listen on its address. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  address: Schema.String,
  cause: Schema.Defect
}) {
  override get message(): string {
    return `The embedded host cannot listen on ${this.address}`
  }
}

/** A sandbox did not start; `reason` is what bubblewrap or the agent said. */
export class LaunchFailed extends Data.TaggedError("LaunchFailed")<{ readonly reason: string }> {
  override get message(): string {
    return `The sandbox did not start: ${this.reason}`
  }
}

/** As many sandboxes run as the host may have. */
export class NoFreeSlot extends Data.TaggedError("NoFreeSlot")<{ readonly limit: number }> {
  override get message(): string {
    return `All ${this.limit} sandboxes of this host are in use`
  }
}

/** A kind of cgroup does not serve here; another may, or none. */
export class CgroupsUnusable extends Data.TaggedError("CgroupsUnusable")<{ readonly reason: string }> {}

/** The control plane refuses a request with an HTTP status. */
export class RequestRefused extends Data.TaggedError("RequestRefused")<{
  readonly status: number
  readonly message: string
}> {}

/** The Connect protocol's error codes. */
export type RpcCode =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "unauthenticated"

/** envd refuses or gives up a remote call. */
export class RpcRefused extends Data.TaggedError("RpcRefused")<{
  readonly code: RpcCode
  readonly message: string
}> {}

/** No such running sandbox: E2B's proxy answers 502, which the SDK reads as "it is gone". */
export class SandboxGone extends Data.TaggedError("SandboxGone")<{ readonly sandboxId: string }> {}

/** A file operation inside the sandbox failed. */
export class GuestFileError extends Data.TaggedError("GuestFileError")<{
  readonly kind:
    | "not_found"
    | "already_exists"
    | "invalid_argument"
    | "permission_denied"
    | "no_space"
    | "too_large"
    | "unavailable"
    | "internal"
  readonly message: string
}> {}
