import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"

/** Stands before a server until the scope closes, and cuts all connections when it is told to. */
export const make = (target: string) =>
  Effect.gen(function* () {
    const open = new Set<Socket>()
    const server = createServer((client) => {
      const behind = connect(Number(new URL(target).port), "127.0.0.1")
      open.add(client)
      for (const [one, other] of [
        [client, behind],
        [behind, client]
      ] as const) {
        one.on("error", () => one.destroy())
        one.on("close", () => other.destroy())
        one.pipe(other)
      }
      client.on("close", () => open.delete(client))
    })
    const sever = () => {
      for (const socket of open) socket.destroy()
    }
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          sever()
        })
    )
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sever }
  })
