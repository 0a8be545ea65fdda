import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { Effect, Random } from "effect"

/** What stands between a client and the server, and cuts connections after some bytes of the server's. */
export interface CuttingProxy {
  readonly url: string
  /** Connections that were cut by now. */
  readonly cuts: Effect.Effect<number>
}

export interface CuttingOptions {
  /** Connections that are cut in all; later ones last. */
  readonly cuts: number
  /** Bytes after which a connection is cut, at most. */
  readonly mostBytes: number
  /** The same cuts for the same seed, as far as the network allows. */
  readonly seed: string
}

const quiet = (socket: Socket) => socket.on("error", () => socket.destroy())

/** Stands before a server until the scope closes. */
export const make = (target: string, { cuts, mostBytes, seed }: CuttingOptions) =>
  Effect.gen(function* () {
    const random = Random.make(seed)
    const lengths = yield* Effect.replicateEffect(random.nextIntBetween(0, mostBytes), cuts)
    let made = 0
    const server = createServer((client) => {
      const behind = quiet(connect(Number(new URL(target).port), "127.0.0.1"))
      quiet(client).pipe(behind)
      client.on("close", () => behind.destroy())
      behind.on("close", () => client.destroy())
      let passed = 0
      const most = lengths.pop() ?? Number.POSITIVE_INFINITY
      behind.on("data", (bytes) => {
        const rest = most - passed
        passed += bytes.length
        if (passed < most) {
          if (client.write(bytes)) return
          behind.pause()
          client.once("drain", () => behind.resume())
          return
        }
        made++
        client.write(bytes.subarray(0, rest))
        client.destroySoon()
        behind.destroy()
      })
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () => Effect.sync(() => server.close())
    )
    const proxy: CuttingProxy = {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      cuts: Effect.sync(() => made)
    }
    return proxy
  })
