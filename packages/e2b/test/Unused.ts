import { type AddressInfo, createServer } from "node:net"
import { Effect } from "effect"

/** A loopback address at which nobody listens any more. */
export const url = Effect.async<string>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(`http://127.0.0.1:${port}`)))
  })
})
