import { connect, type Socket } from "node:net"
import { Effect } from "effect"
import * as ServerProcess from "./ServerProcess.js"

/** A connection to the server that sends what it is told, byte by byte if need be. */
export const open = Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
  Effect.acquireRelease(
    Effect.async<Socket, Error>((resume) => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1")
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.once("error", (error) => resume(Effect.fail(error)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
)

/** All that comes, until the server ends the connection. */
export const heard = (socket: Socket) =>
  Effect.async<string>((resume) => {
    let text = ""
    socket.on("data", (bytes) => {
      text += bytes
    })
    socket.on("error", () => undefined)
    socket.once("close", () => resume(Effect.succeed(text)))
  })

/** The same byte by byte, in Latin-1. */
export const heardBytes = (socket: Socket) => heard(socket.setEncoding("latin1"))

/** What comes until the words are in it. */
export const heardUntil = (socket: Socket, words: string) =>
  Effect.async<string>((resume) => {
    let text = ""
    const hear = (bytes: Buffer) => {
      text += bytes
      if (!text.includes(words)) return
      socket.off("data", hear)
      resume(Effect.succeed(text))
    }
    socket.on("data", hear)
    socket.once("close", () => resume(Effect.succeed(text)))
  })

/** The head of a request to run code. */
export const head = (headers: Readonly<Record<string, string | number>>) =>
  [
    "POST /api/execute HTTP/1.1",
    "Host: 127.0.0.1",
    "Content-Type: application/json",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "\r\n"
  ].join("\r\n")
