import { createServer, type Socket } from "node:net"
import { Effect } from "effect"

/** What a fake clamd has heard of one stream. */
export interface Heard {
  readonly bytes: Buffer
  /** Whether the stream has come to its end. */
  readonly ended: boolean
}

const parse = (sent: Buffer): Heard | undefined => {
  const command = "zINSTREAM\0"
  if (sent.length < command.length) return undefined
  if (sent.subarray(0, command.length).toString() !== command) return { bytes: sent, ended: true }
  const pieces: Array<Buffer> = []
  let at = command.length
  while (at + 4 <= sent.length) {
    const length = sent.readUInt32BE(at)
    if (length === 0) return { bytes: Buffer.concat(pieces), ended: true }
    if (at + 4 + length > sent.length) break
    pieces.push(sent.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return { bytes: Buffer.concat(pieces), ended: false }
}

/** A server that speaks clamd's protocol as `answer` says, on a socket of its own; told whatever has been heard so far. */
export const listen = (
  address: { path: string } | { port: number; host: string },
  answer: (socket: Socket, heard: Heard) => void
) =>
  Effect.acquireRelease(
    Effect.async<{ server: ReturnType<typeof createServer>; sockets: Set<Socket> }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        let sent = Buffer.alloc(0)
        socket.on("error", () => {})
        socket.on("close", () => sockets.delete(socket))
        socket.on("data", (bytes) => {
          sent = Buffer.concat([sent, bytes])
          const heard = parse(sent)
          if (heard !== undefined) answer(socket, heard)
        })
      })
      server.listen(address, () => resume(Effect.succeed({ server, sockets })))
    }),
    ({ server, sockets }) =>
      Effect.async<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )
