import type { Server, ServerResponse } from "node:http"
import { Server as NetServer, type Socket } from "node:net"
import { SteadyClock } from "@bulkhead/sandbox"
import { Context, Duration, Effect, Layer, Schedule } from "effect"

/** How long connections may take to receive responses that are under way. */
const closingTime = Duration.seconds(2)

// A keep-alive connection becomes idle some time after its last response.
const closeIdle = (server: Server) =>
  Effect.repeat(
    Effect.sync(() => server.closeIdleConnections()),
    Schedule.spaced("20 millis")
  )

/** Returns when no connection is left; accepts no new one. Node's own way of it closes idle ones at once. */
const closed = (server: Server) =>
  Effect.async<void>((resume) => {
    NetServer.prototype.close.call(server, () => resume(Effect.void))
  })

/**
 * The end of a server's connections. A connection that is closed while its caller sends a request on it loses the
 * request, and who asked through a proxy gets a bare 502.
 */
export class Draining extends Context.Tag("@bulkhead/server/Draining")<
  Draining,
  {
    /** From now on answers say that their connections are closed, and callers go on with another one. */
    readonly begin: Effect.Effect<void>
    /**
     * Accepts no new connection, lets idle ones linger, then closes them; and when the closing time is over also, those
     * that are busy.
     */
    readonly end: Effect.Effect<void>
  }
>() {
  /** `lingering` is how long idle connections stay after the beginning, in which callers mostly let go of them. */
  static make(server: Server, lingering: Duration.Duration): Draining["Type"] {
    /** The latest answer of each connection that has one under way. */
    const latest = new Map<Socket, ServerResponse>()
    let beganAt: number | undefined
    server.prependListener("request", ({ socket }, response) => {
      latest.set(socket, response)
      response.once("close", () => latest.get(socket) === response && latest.delete(socket))
      response.shouldKeepAlive &&= beganAt === undefined
    })
    const left = Effect.map(SteadyClock.now, (now) =>
      Duration.millis(Math.max(0, Duration.toMillis(lingering) - (now - (beganAt ?? now))))
    )
    return {
      begin: Effect.map(SteadyClock.now, (now) => {
        beganAt ??= now
        for (const response of latest.values()) response.shouldKeepAlive = false
      }),
      end: Effect.flatMap(left, (left) =>
        Effect.raceFirst(
          Effect.interruptible(closed(server)),
          Effect.interruptible(Effect.delay(closeIdle(server), left))
        ).pipe(
          Effect.timeoutOption(Duration.sum(left, closingTime)),
          Effect.zipRight(Effect.sync(() => server.closeAllConnections()))
        )
      )
    }
  }

  /** Closes the connections with the scope. */
  static readonly layerEnd = Layer.scopedDiscard(
    Effect.flatMap(Draining, ({ end }) => Effect.addFinalizer(() => end))
  )
}
