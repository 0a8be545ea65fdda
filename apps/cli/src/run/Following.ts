import { isPassing, type StreamFailure } from "@bulkhead/api"
import type { ExecutionResult, ExecutionUpdate } from "@bulkhead/domain"
import { Duration, Effect, Ref, Schedule, Stream } from "effect"
import { Failure, of } from "../Failure.js"
import type { Connection } from "../server/Connection.js"
import { Output, OutputClosed, tell } from "../terminal/Output.js"
import * as Progress from "./Progress.js"
import * as Reading from "./Reading.js"

export interface FollowingOptions {
  /** Whether also a terminal gets the output as it is. */
  readonly raw: boolean
  /** Whether only the result is asked for. */
  readonly json: boolean
  /** Seconds for which a server that is gone is asked again. */
  readonly patience: number
}

/** Soon at first, then every two seconds. That the connection is lost is said once. */
const retries = (seconds: number) =>
  Effect.map(Effect.all([Output, Ref.make(false)]), ([output, isTold]) => {
    const say = tell(`the connection is lost; the server is asked again for ${seconds} s`)
    const sayOnce = Effect.unlessEffect(say, Ref.getAndSet(isTold, true))
    return Schedule.exponential("200 millis").pipe(
      Schedule.union(Schedule.spaced("2 seconds")),
      Schedule.upTo(Duration.seconds(seconds)),
      Schedule.tapInput((failure: StreamFailure) =>
        Effect.when(Effect.provideService(sayOnce, Output, output), () => isPassing(failure))
      )
    )
  })

const lost =
  ({ url }: Connection, executionId: string) =>
  (error: StreamFailure | OutputClosed) => {
    if (error instanceof OutputClosed) return error
    const failure = of(url)(error)
    return isPassing(error)
      ? new Failure({
          message: `${failure.message}; 'bulkhead logs --output ${executionId}' reads on, if it goes on there`
        })
      : failure
  }

const resultOf = (update: ExecutionUpdate): ExecutionResult | undefined =>
  update.type === "result" ? update.result : undefined

/** Reads along with an execution until its end. Gives its result; none where no result is kept. */
export const follow = Effect.fn("Following.follow")(function* (
  connection: Connection,
  executionId: string,
  { json, patience, raw }: FollowingOptions
) {
  const stage = yield* Ref.make<Reading.Stage>("beginning")
  const updates = connection.client.updates(executionId, { retries: yield* retries(patience) })
  yield* Effect.forkScoped(Progress.show(connection, executionId, stage))
  const read = json
    ? Stream.runFold(updates, undefined as ExecutionResult | undefined, (_, update) => resultOf(update))
    : Reading.read(updates, { raw, stage })
  return yield* Effect.mapError(read, lost(connection, executionId))
}, Effect.scoped)
