import type { ExecutionId, ExecutionRequest, Gpus, NetworkPolicy, NetworkUse, UserId } from "@bulkhead/domain"
import type { Effect, Ref } from "effect"
import type { LimitValues } from "../Limits.js"
import type { Runtime, ToolchainFacts } from "../Sandboxes/Toolchain.js"
import type { KillSwitch } from "../Supervision/KillSwitch.js"
import type { UpdateWriter } from "../Updates/ExecutionUpdates.js"
import type { HeldFiles } from "./RequestFiles.js"
import type { HeldSecrets } from "./Secrets.js"

/** A request that was accepted. */
export interface AcceptedExecution extends Pick<ToolchainFacts, "supervisor" | "size" | "manifest"> {
  readonly executionId: ExecutionId
  readonly userId: UserId
  readonly request: ExecutionRequest
  /** The trace that it is recorded in. Absent: nobody records it. */
  readonly traceId?: string
  readonly runtime: Runtime
  /** By which the provider knows the request's image. Absent: the plain sandbox. */
  readonly template?: string
  /** What its program may use without having it. Absent: nothing. */
  readonly secrets?: HeldSecrets
  /** What its programs may connect to. Absent: the sandboxes hold to no policy. */
  readonly network?: NetworkPolicy
  /** Absent: none. */
  readonly gpus?: Gpus
  /** As they were when the request came. */
  readonly limits: LimitValues
  /** Whether nothing of it runs before its record is kept: somebody counts on finding it again. */
  readonly isKeptFirst: boolean
  readonly killSwitch: KillSwitch
  /** Tells who reads along. */
  readonly updates: UpdateWriter
  /** Gives back the bytes that the request holds while it waits. */
  readonly leaveQueue: Effect.Effect<void>
  /** The files that the request names by their ids. */
  readonly held: HeldFiles
  /** Lets go of them. */
  readonly releaseFiles: Effect.Effect<void>
  /** How long its sandboxes have lived, one after the other. */
  readonly sandboxMs: Ref.Ref<number>
  /** What they used of the network, together. Absent: nobody counted. */
  readonly networkUse: Ref.Ref<NetworkUse | undefined>
}
