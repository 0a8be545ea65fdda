import { Agent, createServer, get } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { withChangedClock } from "../../../packages/sandbox/test/ChangedClock.js"
import { Draining } from "../src/Draining.js"

const serving = Effect.acquireRelease(
  Effect.async<ReturnType<typeof createServer>>((resume) => {
    const server = createServer((_, response) => response.end("here"))
    // Or else Node itself would close them.
    server.keepAliveTimeout = 0
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.closeAllConnections())
)

/** Asks once, on a connection that stays. */
const askedOn = (port: number) =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => new Agent({ keepAlive: true })),
      (agent) => Effect.sync(() => agent.destroy())
    ),
    (agent) =>
      Effect.async<void>((resume) => {
        get({ agent, port, host: "127.0.0.1" }, (response) => {
          response.resume().once("end", () => resume(Effect.void))
        })
      })
  )

describe("Draining", () => {
  it.scopedLive("closes idle connections in time, also when the clock is set back meanwhile", () => {
    let setBackBy = 0
    const onSetClock = withChangedClock((clock) => ({
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now - setBackBy),
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() - setBackBy
    }))
    return Effect.gen(function* () {
      const server = yield* serving
      const { port } = server.address() as AddressInfo
      const draining = Draining.make(server, Duration.millis(100))
      yield* askedOn(port)
      yield* draining.begin
      setBackBy = 3_600_000
      yield* draining.end
    }).pipe(onSetClock)
  })
})
