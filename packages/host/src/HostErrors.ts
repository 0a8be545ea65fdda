import { Schema } from "effect"

/** Sandboxes cannot be isolated on this machine. The message says in one line what is missing and how to fix it. */
export class IsolationUnavailable extends Schema.TaggedError<IsolationUnavailable>()("IsolationUnavailable", {
  /** What is missing or refused. */
  reason: Schema.String,
  /** The command or step that fixes it. */
  remedy: Schema.String
}) {
  override get message(): string {
    return `Sandboxes cannot be isolated here: ${this.reason}. To fix it: ${this.remedy}`
  }
}

/** Sandboxes cannot be made from an image. For operators: it names the image's place on this machine. */
export class ImageUnusable extends Schema.TaggedError<ImageUnusable>()("ImageUnusable", {
  name: Schema.String,
  place: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `The image '${this.name}' at ${this.place} cannot be used: ${this.reason}`
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
export class LaunchFailed extends Schema.TaggedError<LaunchFailed>()("LaunchFailed", {
  reason: Schema.String
}) {
  override get message(): string {
    return `The sandbox did not start: ${this.reason}`
  }
}

/** A launcher did not start. */
export class LauncherNotStarted extends Schema.TaggedError<LauncherNotStarted>()("LauncherNotStarted", {
  /** What it came to. Names no path: it is told to everyone. */
  reason: Schema.String,
  /** What it said; for operators. */
  said: Schema.String
}) {}

/** The launcher died while it made the sandbox. */
export class LauncherDied extends Schema.TaggedError<LauncherDied>()("LauncherDied", {}) {
  override get message(): string {
    return "The launcher of the sandboxes died while it made this one"
  }
}

/** There is no launcher at present. */
export class NoLauncher extends Schema.TaggedError<NoLauncher>()("NoLauncher", { message: Schema.String }) {}

/** As many sandboxes run as the host may have. */
export class NoFreeSlot extends Schema.TaggedError<NoFreeSlot>()("NoFreeSlot", { limit: Schema.Number }) {
  override get message(): string {
    return `All ${this.limit} sandboxes of this host are in use`
  }
}

/** So many GPUs of the kind are not free. */
export class NoFreeGpus extends Schema.TaggedError<NoFreeGpus>()("NoFreeGpus", {
  count: Schema.Number,
  kind: Schema.String
}) {
  override get message(): string {
    return `This host has no ${this.count} ${this.kind} free at present`
  }
}

/** A version of cgroups cannot be used here; the other may, or none. */
export class CgroupsUnusable extends Schema.TaggedError<CgroupsUnusable>()("CgroupsUnusable", {
  reason: Schema.String
}) {}

/** The body of a request did not arrive whole, or is too large. */
export class BodyUnreadable extends Schema.TaggedError<BodyUnreadable>()("BodyUnreadable", {
  message: Schema.String
}) {}

/** The control plane refuses a request with an HTTP status. */
export class RequestRefused extends Schema.TaggedError<RequestRefused>()("RequestRefused", {
  status: Schema.Number,
  message: Schema.String
}) {}

/** The Connect protocol's error codes. */
export const RpcCode = Schema.Literal(
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "unimplemented",
  "internal",
  "unavailable",
  "unauthenticated"
)
export type RpcCode = typeof RpcCode.Type

/** envd refuses or gives up a remote call. */
export class RpcRefused extends Schema.TaggedError<RpcRefused>()("RpcRefused", {
  code: RpcCode,
  message: Schema.String
}) {}

/** The access token or the user of an envd request is not right. */
export class EnvdUnauthenticated extends Schema.TaggedError<EnvdUnauthenticated>()("EnvdUnauthenticated", {
  message: Schema.String
}) {}

/** What is said to who asks for something in a sandbox after the death of its launcher. */
export const launcherDiedBefore = "the launcher of this sandbox died before"

/** No such running sandbox. */
export class SandboxGone extends Schema.TaggedError<SandboxGone>()("SandboxGone", {
  sandboxId: Schema.String,
  /** Whether it ended because the launcher of the sandboxes died. */
  withLauncher: Schema.Boolean
}) {
  override get message(): string {
    return this.withLauncher ? launcherDiedBefore : "The sandbox was not found"
  }
}

/** Why a file operation can fail. */
export const GuestFileErrorKind = Schema.Literal(
  "not_found",
  "already_exists",
  "invalid_argument",
  "permission_denied",
  "no_space",
  "too_large",
  "unavailable",
  "internal"
)
export type GuestFileErrorKind = typeof GuestFileErrorKind.Type

/** A file operation inside the sandbox failed. */
export class GuestFileError extends Schema.TaggedError<GuestFileError>()("GuestFileError", {
  kind: GuestFileErrorKind,
  message: Schema.String
}) {}
