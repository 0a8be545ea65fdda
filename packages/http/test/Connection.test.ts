import { once } from "node:events"
import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Connection from "../src/Connection.js"

const message = Effect.sync(() => new IncomingMessage(new Socket()))

describe("what is left of a body", () => {
  it.live("of a client that has gone is waited for no more", () =>
    Effect.gen(function* () {
      const source = yield* message
      const closed = once(source, "close")
      source.destroy()
      yield* Effect.promise(() => closed)
      yield* Connection.discard({ source }, 100)
    })
  )

  it.live("is read to its end, or as far as it may be", () =>
    Effect.gen(function* () {
      const whole = yield* message
      whole.push("x".repeat(10))
      whole.push(null)
      yield* Connection.discard({ source: whole }, 100)
      assert.isTrue(whole.readableEnded)
      const endless = yield* message
      endless.push("x".repeat(200))
      yield* Connection.discard({ source: endless }, 100)
      assert.isFalse(endless.readableEnded)
      assert.strictEqual(endless.listenerCount("data"), 0)
    })
  )
})
