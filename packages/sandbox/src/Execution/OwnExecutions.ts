import type { ExecutionId, ExecutionSummary, ExecutionUpdate, UpdateId } from "@bulkhead/domain"
import { Context, Effect, Layer, Option, type Stream } from "effect"
import type { KillRequest } from "../Supervision/KillSwitch.js"
import { ExecutionUpdates } from "../Updates/ExecutionUpdates.js"
import { beginning, ofId } from "../Updates/UpdatePosition.js"
import { LiveExecutions } from "./LiveExecutions.js"

/** What waits or runs somewhere, and what may be done with it from elsewhere. */
export interface ExecutionsElsewhere {
  /** Asks an execution to end. Whether it waits or runs there. */
  readonly kill: (executionId: ExecutionId, request: KillRequest) => Effect.Effect<boolean>
  readonly find: (executionId: ExecutionId) => Effect.Effect<Option.Option<ExecutionSummary>>
  /** Newest first. */
  readonly list: Effect.Effect<ReadonlyArray<ExecutionSummary>>
  /**
   * Its updates after one of them, from the beginning unless told. None: it does not wait or run there. When the stream
   * ends without a last update, its server cannot be reached any more.
   */
  readonly updates: (
    executionId: ExecutionId,
    after?: UpdateId
  ) => Effect.Effect<Option.Option<Stream.Stream<ExecutionUpdate>>>
}

/** What waits or runs in this process, for other servers that are asked for it. */
export class OwnExecutions extends Context.Tag("@bulkhead/sandbox/OwnExecutions")<
  OwnExecutions,
  ExecutionsElsewhere
>() {
  static readonly layer: Layer.Layer<OwnExecutions, never, LiveExecutions | ExecutionUpdates> = Layer.effect(
    OwnExecutions,
    Effect.map(Effect.all([LiveExecutions, ExecutionUpdates]), ([live, executionUpdates]) => ({
      kill: live.kill,
      find: (executionId) => Effect.map(live.find(executionId), Option.fromNullable),
      list: live.list,
      updates: (executionId, after) =>
        Effect.map(executionUpdates.find(executionId), (found) => {
          const from = after === undefined ? beginning : ofId(after)
          return from === "end"
            ? Option.none()
            : Option.map(Option.fromNullable(found), (own) => own.from(from))
        })
    }))
  )
}

/** The servers that are one service with this one. By default there are none. */
export class Peers extends Context.Reference<Peers>()("@bulkhead/sandbox/Peers", {
  defaultValue: (): ExecutionsElsewhere => ({
    kill: () => Effect.succeed(false),
    find: () => Effect.succeedNone,
    list: Effect.succeed([]),
    updates: () => Effect.succeedNone
  })
}) {}
