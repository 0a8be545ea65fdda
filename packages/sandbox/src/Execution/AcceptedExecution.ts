import type { ExecutionId, ExecutionRequest, Gpus, UserId } from "@bulkhead/domain"
import type { Effect, Ref } from "effect"
import type { LimitValues } from "../Limits.js"
import type { Runtime, ToolchainFacts } from "../Sandboxes/Toolchain.js"
import type { KillSwitch } from "../Supervision/KillSwitch.js"
import type { UpdateWriter } from "../Updates/ExecutionUpdates.js"
import type { HeldFiles } from "./RequestFiles.js"

/** A request that was accepted. */
export interface AcceptedExecution extends Pick<ToolchainFacts, "supervisor" | "size" | "manifest"> {
  readonly executionId: ExecutionId
  readonly userId: UserId
  readonly request: ExecutionRequest
  readonly runtime: Runtime
  /** By which the provider knows the request's image. Absent: the plain sandbox. */
  readonly template?: string
  /** Absent: none. */
  readonly gpus?: Gpus
  /** As they were when the request came. */
  readonly limits: LimitValues
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
}
