import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { type Duration, Effect, FiberSet, Ref, Stream } from "effect"

/** The way from one server to its PostgreSQL, which can be interrupted. */
export interface DatabaseWay {
  /** By this way, as this user, without a password. */
  readonly url: (user: string) => string
  /** Ends every connection, and each new one, until it is mended. */
  readonly cut: Effect.Effect<void>
  /** Lets nothing pass, and tells nobody, until it is mended. */
  readonly silence: Effect.Effect<void>
  /** Holds up whatever passes for so long, one piece after the other, until it is mended. */
  readonly slow: (delay: Duration.DurationInput) => Effect.Effect<void>
  /** Lets everything pass again: also what was held up. */
  readonly mend: Effect.Effect<void>
  /** The same for new connections. Those that are there stay silent for ever: nobody on the way knows them any more. */
  readonly forget: Effect.Effect<void>
}

interface Connection {
  readonly passing: Effect.Latch
  readonly end: () => void
}

/** The socket of PostgreSQL in a directory. */
const socketIn = (directory: string) => `${directory}/.s.PGSQL.5432`

const written = (to: Socket, bytes: Uint8Array) =>
  Effect.async<void>((resume) => {
    to.write(bytes, () => resume(Effect.void))
  })

/** Stands before the PostgreSQL whose socket is in a directory, until the scope closes. */
export const make = Effect.fnUntraced(function* (directory: string) {
  const open = new Set<Connection>()
  const delay = yield* Ref.make<Duration.DurationInput>(0)
  let isCut = false
  let isSilent = false
  const run = yield* FiberSet.makeRuntime<never>()

  const carry = (from: Socket, to: Socket, { passing }: Connection) =>
    Stream.fromAsyncIterable<Uint8Array, unknown>(from, (error) => error).pipe(
      Stream.runForEach((bytes) =>
        passing.await.pipe(
          Effect.zipRight(Effect.flatMap(Ref.get(delay), Effect.sleep)),
          Effect.zipRight(written(to, bytes))
        )
      ),
      Effect.ignore
    )

  const accept = (client: Socket) =>
    Effect.gen(function* () {
      if (isCut) return client.destroy()
      const behind = connect(socketIn(directory))
      const connection: Connection = {
        passing: yield* Effect.makeLatch(!isSilent),
        end: () => {
          client.destroy()
          behind.destroy()
        }
      }
      open.add(connection)
      for (const socket of [client, behind])
        socket
          .on("error", () => {})
          .on("close", () => {
            open.delete(connection)
            connection.end()
          })
      yield* Effect.all([carry(client, behind, connection), carry(behind, client, connection)], {
        concurrency: 2
      })
      return connection.end()
    })

  const endAll = () => {
    for (const { end } of open) end()
  }
  const server = createServer((client) => void run(accept(client)))
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        endAll()
      })
  )
  const each = (change: (connection: Connection) => Effect.Effect<unknown>) =>
    Effect.suspend(() => Effect.forEach([...open], change, { discard: true }))
  const usable = Effect.zipRight(
    Ref.set(delay, 0),
    Effect.sync(() => {
      isCut = false
      isSilent = false
    })
  )
  const way: DatabaseWay = {
    url: (user) => `postgresql://${user}@127.0.0.1:${(server.address() as AddressInfo).port}/postgres`,
    cut: Effect.sync(() => {
      isCut = true
      endAll()
    }),
    silence: Effect.zipRight(
      Effect.sync(() => {
        isSilent = true
      }),
      each(({ passing }) => passing.close)
    ),
    slow: (time) => Ref.set(delay, time),
    mend: Effect.zipRight(
      usable,
      each(({ passing }) => passing.open)
    ),
    forget: usable
  }
  return way
})
