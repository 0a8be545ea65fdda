import { ExecutionEvent, ExecutionId, UserId } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Ref, TestClock } from "effect"
import * as News from "../src/commands/News.js"

const event = (timestamp: number, name: ExecutionEvent["event"], message = "") =>
  ExecutionEvent.make({
    timestamp,
    executionId: ExecutionId.make("exec_mfq3k2v1x0a9b8c7d6"),
    userId: UserId.make("ann"),
    level: "info",
    event: name,
    message
  })

/** Follows a log that grows by one part each second. Gives what was told, and from when on each look asked. */
const followed = (parts: ReadonlyArray<ReadonlyArray<ExecutionEvent>>) =>
  Effect.gen(function* () {
    const log = yield* Ref.make<ReadonlyArray<ExecutionEvent>>([])
    const asked = yield* Ref.make<ReadonlyArray<number | undefined>>([])
    const told = yield* Ref.make<ReadonlyArray<string>>([])
    const look = ({ from }: { readonly from?: number }) =>
      Effect.zipRight(
        Ref.update(asked, (before) => [...before, from]),
        Effect.map(Ref.get(log), (events) => events.filter(({ timestamp }) => timestamp >= (from ?? 0)))
      )
    const tellOf = ({ event, message }: ExecutionEvent) =>
      Ref.update(told, (before) => [...before, `${event} ${message}`.trim()])
    const following = yield* Effect.fork(
      Effect.zipRight(TestClock.sleep("1 millis"), News.follow(look, tellOf))
    )
    for (const part of parts) {
      yield* Ref.update(log, (before) => [...part, ...before].sort(last))
      yield* TestClock.adjust("1 second")
    }
    yield* Fiber.join(following)
    return { asked: yield* Ref.get(asked), told: yield* Ref.get(told) }
  })

/** The store has what came of messages last. */
const last = (one: ExecutionEvent, other: ExecutionEvent) =>
  Number(one.event.startsWith("webhook_")) - Number(other.event.startsWith("webhook_")) ||
  one.timestamp - other.timestamp

describe("following a log", () => {
  it.effect("tells each event once, also those that come before others and those that are the same", () =>
    Effect.gen(function* () {
      const denied = event(3000, "network_denied", "no")
      const { told } = yield* followed([
        [event(1000, "execution_queued")],
        [event(2000, "execution_started"), event(2500, "webhook_delivered")],
        [denied, denied],
        [denied, event(4000, "execution_completed")]
      ])
      assert.deepStrictEqual(told, [
        ...["execution_queued", "execution_started", "webhook_delivered"],
        ...["network_denied no", "network_denied no", "network_denied no", "execution_completed"]
      ])
    })
  )

  it.effect("asks for no more than the last minute again", () =>
    Effect.gen(function* () {
      const { asked, told } = yield* followed([
        [event(1_000_000, "execution_started")],
        // Another server's clock is behind.
        [event(990_000, "webhook_delivered")],
        [event(2_000_000, "execution_completed")]
      ])
      assert.deepStrictEqual(asked, [undefined, 940_000, 940_000])
      assert.strictEqual(told.length, 3)
    })
  )
})
