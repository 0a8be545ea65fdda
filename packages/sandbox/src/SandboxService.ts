import type {
  ExecutionEnded,
  ExecutionEvent,
  ExecutionExists,
  ExecutionId,
  ExecutionMetrics,
  ExecutionNotFound,
  ExecutionRequestInput,
  ExecutionResult,
  ExecutionState,
  ExecutionSummary,
  Refusal,
  SystemMetrics,
  UserId,
  UserMetrics
} from "@bulkhead/domain"
import { Context, type Effect } from "effect"
import type { Admissibility } from "./Admission.js"
import type { SandboxFailure } from "./SandboxProvider.js"
import type { Runtime } from "./Toolchain.js"

/** Runs code nobody has read, and can be believed when it says what happened. */
export class SandboxService extends Context.Tag("@bulkhead/sandbox/SandboxService")<
  SandboxService,
  {
    /**
     * Runs a program in a fresh sandbox. Succeeds with a result whatever came of the program; fails only when the request is
     * turned away before any sandbox is asked for. Interrupting it ends the program and destroys the sandbox.
     */
    readonly execute: (
      request: ExecutionRequestInput,
      options?: {
        /** Who asks, whatever the request says. */
        readonly userId?: UserId
      }
    ) => Effect.Effect<ExecutionResult, Refusal>
    /** Whether an execution of this user would start at once, and why not. */
    readonly canStartExecution: (userId: UserId) => Effect.Effect<Admissibility>
    /**
     * Counts work that runs elsewhere against the limits, without waiting for a place. When `timeout` (seconds, the limits' default
     * unless told) passes without `endExecution`, the work counts as timed out and its place is free again.
     */
    readonly startExecution: (
      executionId: ExecutionId,
      userId: UserId,
      timeout?: number
    ) => Effect.Effect<void, Refusal | ExecutionExists>
    /** Ends what `startExecution` began. */
    readonly endExecution: (
      executionId: ExecutionId,
      metrics?: Partial<ExecutionMetrics> & Readonly<Record<string, unknown>>
    ) => Effect.Effect<void, ExecutionNotFound | ExecutionEnded>
    /** Ends an execution, waiting or running: SIGTERM, grace, SIGKILL, and its sandbox is destroyed. Returns once it is asked for. */
    readonly killExecution: (
      executionId: ExecutionId,
      reason?: string
    ) => Effect.Effect<void, ExecutionNotFound | ExecutionEnded>
    readonly getSystemMetrics: Effect.Effect<SystemMetrics>
    /** An unknown user's are all zeros. */
    readonly getUserMetrics: (userId: UserId) => Effect.Effect<UserMetrics>
    /** The events of one execution, oldest first. */
    readonly getLogs: (
      executionId: ExecutionId
    ) => Effect.Effect<ReadonlyArray<ExecutionEvent>, ExecutionNotFound>
    /** Executions that run or wait, and the latest that ended, newest first. */
    readonly listExecutions: (filter?: {
      readonly userId?: UserId
      readonly state?: ExecutionState
    }) => Effect.Effect<ReadonlyArray<ExecutionSummary>>
    /** The languages that the sandboxes' toolchain can run. Looked up once, in a sandbox. */
    readonly runtimes: Effect.Effect<ReadonlyArray<Runtime>, SandboxFailure>
    /** Refuses new work, lets what runs finish within the kill grace period, then kills it. Returns when nothing is left. */
    readonly shutdown: Effect.Effect<void>
  }
>() {}
