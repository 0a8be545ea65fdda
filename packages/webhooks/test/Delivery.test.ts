import type { OutgoingMessage } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, TestClock } from "effect"
import * as Delivery from "../src/Delivery.js"
import { Receiver } from "../src/index.js"

const message: OutgoingMessage = {
  messageId: "msg_a",
  executionId: Entries.id("a"),
  userId: Entries.user("ann"),
  event: "execution.completed",
  url: "https://example.com/",
  receiver: "example.com",
  body: "{}",
  attempts: 0,
  since: 0
}

const secret = { secret: `whsec_${"A".repeat(43)}=` }

const answering = (status: number) => Receiver.of({ post: () => Effect.succeed(status) })

/** Tries until there is nothing more to be tried. Gives the moments of the tries in seconds, and the end. */
const history = (status: number, options: Delivery.DeliveryOptions = {}) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    let next = message
    while (true) {
      times.push((yield* TestClock.currentTimeMillis) / 1000)
      const outcome = yield* Delivery.attempt(next, secret, options)
      if (outcome.state !== "pending") return { times, outcome }
      next = { ...next, attempts: outcome.attempts }
      yield* TestClock.setTime(outcome.nextAt)
    }
  }).pipe(Effect.provideService(Receiver, answering(status)))

const pausesOf = (times: ReadonlyArray<number>) =>
  times.slice(1).map((time, index) => time - (times[index] ?? 0))

describe("Delivery", () => {
  it.effect("is tried for a day, after pauses that double up to an hour", () =>
    Effect.gen(function* () {
      const { outcome, times } = yield* history(500)
      assert.deepInclude(outcome, { state: "failed", words: "answered 500", attempts: times.length })
      const pauses = pausesOf(times)
      for (const [index, pause] of pauses.entries()) {
        const meant = Math.min(2 ** (index + 1), 3600)
        assert.isAtLeast(pause, meant * 0.8 - 0.001)
        assert.isAtMost(pause, meant * 1.2 + 0.001)
      }
      const day = Duration.toSeconds("1 day")
      assert.isAtMost(times.at(-1) ?? 0, day)
      assert.isAtLeast(times.at(-1) ?? 0, day - 2 * 3600)
    })
  )

  it.effect("does not wait equally long each time, so that many do not come back at one moment", () =>
    Effect.gen(function* () {
      const first = yield* history(503)
      yield* TestClock.setTime(0)
      const second = yield* history(503)
      assert.notDeepEqual(pausesOf(first.times), pausesOf(second.times))
    })
  )

  for (const status of [200, 201, 204, 299])
    it.effect(`is done when the answer is ${status}`, () =>
      Effect.gen(function* () {
        const { outcome, times } = yield* history(status)
        assert.deepStrictEqual([outcome.state, times.length], ["delivered", 1])
      })
    )

  it.effect("is given up at once when the receiver is gone for good", () =>
    Effect.gen(function* () {
      const { outcome, times } = yield* history(410)
      assert.deepStrictEqual([outcome.state, times.length], ["failed", 1])
    })
  )

  for (const status of [100, 199, 300, 301, 302, 307, 400, 404, 429])
    it.effect(`is tried again when the answer is ${status}`, () =>
      Effect.gen(function* () {
        const { outcome, times } = yield* history(status, { patience: "10 seconds" })
        assert.strictEqual(outcome.state, "failed")
        assert.isAbove(times.length, 1)
      })
    )
})
