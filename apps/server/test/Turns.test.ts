import { connect, createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Fiber, Ref, Schedule } from "effect"
import * as Turns from "../src/Turns.js"

/** Longer than fibers of one priority work at a time, so that one step is all of that. */
const longStep = Effect.sync(() => {
  const endsAt = performance.now() + 3
  while (performance.now() < endsAt);
})

/** How often the event loop turned while an effect ran. */
const turnsDuring = (busy: Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    const turns = yield* Ref.make(0)
    const turning = yield* Effect.async<void>((resume) => {
      setImmediate(() => resume(Effect.void))
    }).pipe(
      Effect.zipRight(Ref.update(turns, (turned) => turned + 1)),
      Effect.forever,
      Effect.withSchedulingPriority(-1),
      Effect.fork
    )
    yield* busy
    yield* Fiber.interrupt(turning)
    return yield* Ref.get(turns)
  })

/** Fibers that are all ready at once, each with one long step; `done` is told of each. */
const crowd = (size: number, done: Effect.Effect<void>) =>
  Effect.forEach(
    Arr.makeBy(size, () => Effect.zipRight(longStep, done)),
    (step) => Effect.fork(Effect.zipRight(Effect.yieldNow(), step))
  )

const listening = Effect.acquireRelease(
  Effect.async<Server>((resume) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
)

const connected = (server: Server) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const address = server.address()
      return connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1")
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Done when so many connections were accepted; they are closed then. */
const accepted = (server: Server, count: number) =>
  Effect.async<void>((resume) => {
    const sockets: Array<Socket> = []
    server.on("connection", (socket) => {
      sockets.push(socket)
      if (sockets.length < count) return
      for (const each of sockets) each.destroy()
      resume(Effect.void)
    })
  })

describe("Turns", () => {
  it.live("come to others while a fiber always has work", () =>
    Effect.gen(function* () {
      const busy = Effect.repeat(Effect.zipRight(Effect.yieldNow(), longStep), Schedule.recurs(30))
      assert.isAtLeast(yield* Turns.take(turnsDuring(busy)), 20)
    })
  )

  it.scopedLive("let connections in that come at once, while many fibers have work", () =>
    Effect.gen(function* () {
      const connections = 20
      const server = yield* listening
      const steps = yield* Ref.make(0)
      const all = yield* Effect.fork(Effect.withSchedulingPriority(accepted(server, connections), -1))
      yield* Effect.yieldNow()
      yield* Effect.replicateEffect(connected(server), connections)
      const fibers = yield* crowd(
        60,
        Ref.update(steps, (count) => count + 1)
      )
      yield* Effect.withSchedulingPriority(Fiber.join(all), -1)
      assert.isBelow(yield* Ref.get(steps), 20)
      yield* Fiber.interruptAll(fibers)
    }).pipe(Turns.take)
  )

  it.live("come to each priority, however much work another one has", () =>
    Effect.gen(function* () {
      const steps = yield* Ref.make(0)
      const step = Ref.update(steps, (count) => count + 1)
      const first = yield* Effect.withSchedulingPriority(crowd(20, step), 0)
      const later = yield* Effect.withSchedulingPriority(crowd(20, step), 1)
      yield* Effect.withSchedulingPriority(Effect.zipRight(Effect.yieldNow(), Effect.yieldNow()), 2)
      assert.isAtMost(yield* Ref.get(steps), 8)
      yield* Fiber.interruptAll([...first, ...later])
    }).pipe(Turns.take)
  )
})
