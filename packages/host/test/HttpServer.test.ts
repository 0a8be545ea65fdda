import { assert, it } from "@effect/vitest"
import { Effect, Ref, type Scheduler } from "effect"
import * as Answer from "../src/Http/Answer.js"
import * as HttpServer from "../src/Http/HttpServer.js"

/** Lets the event loop turn after every few steps of a fiber: of fewer, to yield would be all that it does. */
const turning = (): Scheduler.Scheduler => {
  let steps = 0
  return {
    scheduleTask: (task) => void setImmediate(task),
    shouldYield: () => (++steps % 17 === 0 ? 0 : false)
  }
}

it.scopedLive("an answer in pieces is sent to its end, however much happens between two steps of it", () =>
  Effect.gen(function* () {
    const size = 256 * 1024
    const count = 40
    const sent = yield* Ref.make(0)
    const pieces = Effect.map(
      Ref.updateAndGet(sent, (pieces) => pieces + 1),
      (piece) => ({ bytes: new Uint8Array(size), isLast: piece === count })
    )
    const server = yield* HttpServer.listen("127.0.0.1", 0)
    const handler = () => Effect.succeed(Answer.inPieces(200, {}, pieces))
    yield* Effect.withScheduler(HttpServer.serve(server, [{ method: "GET", path: "/", handler }]), turning())
    const answer = yield* Effect.promise((signal) => fetch(HttpServer.urlOf(server, "127.0.0.1"), { signal }))
    const { byteLength } = yield* Effect.promise(() => answer.arrayBuffer())
    assert.strictEqual(byteLength, size * count)
  })
)
