import {
  type ExecutionId,
  ExecutionNotFound,
  type ExecutionRecord,
  type ExecutionUpdate,
  type UpdateId
} from "@bulkhead/domain"
import { Effect, Option, Ref, Stream } from "effect"
import { Peers } from "../Execution/OwnExecutions.js"
import { ExecutionStore, type StoreFailure } from "../Record/ExecutionStore.js"
import { closing, ExecutionUpdates } from "./ExecutionUpdates.js"
import * as KeptUpdates from "./KeptUpdates.js"
import { beginning, idOf, ofId, type UpdatePosition } from "./UpdatePosition.js"

/** Between two looks at what runs on another server, or elsewhere. */
const betweenLooks = "1 second"

const find = Effect.fnUntraced(function* (executionId: ExecutionId) {
  const store = yield* ExecutionStore
  // So that whoever asks finds what has just happened. A store that cannot be written may still be read.
  yield* Effect.ignore(store.commit)
  const found = yield* store.find(executionId)
  return Option.isSome(found) ? found.value : yield* new ExecutionNotFound({ executionId })
})

const untilEnded = (
  executionId: ExecutionId
): Effect.Effect<ExecutionRecord, ExecutionNotFound | StoreFailure, ExecutionStore> =>
  Effect.flatMap(find(executionId), (known) =>
    known.state === "ended" ? Effect.succeed(known) : Effect.delay(untilEnded(executionId), betweenLooks)
  )

const lastUpdates: ReadonlySet<ExecutionUpdate["type"]> = new Set(["result", "ended", "closing"])

/** Of an execution that another server runs. When that one cannot be reached any more, what is kept says the rest. */
const carriedOver = (
  executionId: ExecutionId,
  updates: Stream.Stream<ExecutionUpdate>,
  after: UpdateId | undefined
): ReturnType<typeof of> =>
  Stream.unwrap(
    Effect.map(
      Ref.make<Pick<ExecutionUpdate, "id"> & { readonly type?: ExecutionUpdate["type"] }>({
        id: after ?? idOf(beginning)
      }),
      (last) =>
        Stream.concat(
          Stream.tap(updates, (update) => Ref.set(last, update)),
          Stream.unwrap(
            Effect.map(Ref.get(last), ({ id, type }) =>
              type !== undefined && lastUpdates.has(type) ? Stream.empty : of(executionId, id)
            )
          )
        )
    )
  )

/** What is kept of an execution that does not run here, once it has ended. */
const fromStore = Effect.fnUntraced(function* (known: ExecutionRecord, from: UpdatePosition) {
  const { closed } = yield* ExecutionUpdates
  const ended = known.state === "ended" ? Effect.succeed(known) : untilEnded(known.executionId)
  return yield* Effect.raceFirst(
    Effect.map(ended, (record) => KeptUpdates.after(record, from).map(({ update }) => update)),
    Effect.as(closed, [closing(from)])
  )
})

/** The updates of an execution after one of them, from the beginning unless told. */
export const of = (
  executionId: ExecutionId,
  after?: UpdateId
): Stream.Stream<ExecutionUpdate, ExecutionNotFound | StoreFailure, ExecutionStore | ExecutionUpdates> =>
  Effect.gen(function* () {
    const updates = yield* ExecutionUpdates
    const from = after === undefined ? beginning : ofId(after)
    const live = yield* updates.find(executionId)
    if (live !== undefined && from !== "end") return live.from(from)
    if (from !== "end") {
      const elsewhere = yield* (yield* Peers).updates(executionId, after)
      if (Option.isSome(elsewhere)) return carriedOver(executionId, elsewhere.value, after)
    }
    const known = yield* find(executionId)
    if (from === "end") return Stream.empty
    const kept = Stream.fromIterableEffect(fromStore(known, from))
    // Each may be large.
    return updates.counted(known.userId, Stream.rechunk(kept, 1))
  }).pipe(Stream.unwrap)
