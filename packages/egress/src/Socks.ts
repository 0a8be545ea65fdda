import type { Duplex } from "node:stream"
import type { NetworkReason } from "@bulkhead/domain"
import { Effect, Option } from "effect"
import ipaddr from "ipaddr.js"
import * as Endpoint from "./Endpoint.js"
import { ConnectionEnded } from "./Opening.js"

/** The first byte of SOCKS 5 (RFC 1928). */
export const VERSION = 5
const CONNECT = 1
const WITHOUT_AUTHENTICATION = 0
const NO_METHOD = 0xff
const IPV4 = 1
const NAME = 3
const IPV6 = 4

/** Answers, as RFC 1928 numbers them. */
const SUCCEEDED = 0
const NOT_ALLOWED = 2
const HOST_UNREACHABLE = 4
const REFUSED = 5
const COMMAND_NOT_SUPPORTED = 7
const ADDRESS_NOT_SUPPORTED = 8

/** What a program asks for. */
export interface Request {
  /** As it was asked for, for who reads of it. */
  readonly asked: string
  readonly endpoint: Option.Option<Endpoint.Endpoint>
}

const exactly = (stream: Duplex, length: number): Effect.Effect<Buffer, ConnectionEnded> =>
  Effect.async((resume) => {
    const events = ["readable", "end", "error", "close"]
    const forget = () => {
      for (const event of events) stream.off(event, look)
    }
    const settle = (outcome: Effect.Effect<Buffer, ConnectionEnded>) => {
      forget()
      resume(outcome)
    }
    const look = () => {
      const bytes: Buffer | null = stream.read(length)
      if (bytes?.length === length) settle(Effect.succeed(bytes))
      else if (bytes !== null || stream.readableEnded || stream.destroyed) settle(new ConnectionEnded())
    }
    for (const event of events) stream.on(event, look)
    look()
    return Effect.sync(forget)
  })

const byte = (stream: Duplex) => Effect.map(exactly(stream, 1), (bytes) => bytes[0] ?? 0)

const write = (stream: Duplex, ...bytes: ReadonlyArray<number>) =>
  Effect.sync(() => void stream.write(Buffer.from(bytes)))

/** The address and port that were connected to are no business of the program's. */
const reply = (stream: Duplex, code: number) => write(stream, VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0)

const hostOf = Effect.fnUntraced(function* (client: Duplex, type: number) {
  if (type === IPV4) return Option.some([...(yield* exactly(client, 4))].join("."))
  if (type === IPV6) {
    const bytes = yield* exactly(client, 16)
    return Option.some(ipaddr.fromByteArray([...bytes]).toString())
  }
  if (type !== NAME) return Option.none()
  const length = yield* byte(client)
  return Option.some((yield* exactly(client, length)).toString("latin1"))
})

const cut = (client: Duplex) => Effect.sync(() => void client.end())

/** Reads what a program asks for. None: it was refused, as what it asks for is not done here. */
export const read = Effect.fnUntraced(function* (client: Duplex) {
  const methods = yield* Effect.flatMap(Effect.zipRight(byte(client), byte(client)), (count) =>
    count === 0 ? Effect.succeed(Buffer.alloc(0)) : exactly(client, count)
  )
  if (!methods.includes(WITHOUT_AUTHENTICATION)) {
    yield* Effect.zipRight(write(client, VERSION, NO_METHOD), cut(client))
    return Option.none<Request>()
  }
  yield* write(client, VERSION, WITHOUT_AUTHENTICATION)
  const [version, command, , type = 0] = yield* exactly(client, 4)
  const host = version === VERSION ? yield* hostOf(client, type) : Option.none<string>()
  if (Option.isNone(host)) {
    yield* Effect.zipRight(reply(client, ADDRESS_NOT_SUPPORTED), cut(client))
    return Option.none<Request>()
  }
  const port = (yield* exactly(client, 2)).readUInt16BE(0)
  if (command !== CONNECT) {
    yield* Effect.zipRight(reply(client, COMMAND_NOT_SUPPORTED), cut(client))
    return Option.none<Request>()
  }
  return Option.some<Request>({ asked: host.value, endpoint: Endpoint.make(host.value, port) })
})

export const accept = (client: Duplex): Effect.Effect<void> => reply(client, SUCCEEDED)

const codeOf = (reason: NetworkReason) => {
  switch (reason) {
    case "no_such_name":
      return HOST_UNREACHABLE
    case "unreachable":
      return REFUSED
    default:
      return NOT_ALLOWED
  }
}

/** Tells a program that it is not connected, and ends the connection. */
export const refuse = (client: Duplex, reason: NetworkReason): Effect.Effect<void> =>
  Effect.zipRight(reply(client, codeOf(reason)), cut(client))
