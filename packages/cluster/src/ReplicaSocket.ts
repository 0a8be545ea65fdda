import { type ConnectionOptions, connect, createSecureContext, TLSSocket, type TlsOptions } from "node:tls"
import { Runners } from "@effect/cluster"
import { Socket, SocketServer } from "@effect/platform"
import { NodeSocket, NodeSocketServer } from "@effect/platform-node"
import { RpcClient, RpcSerialization } from "@effect/rpc"
import { Duration, Effect, Layer, Redacted } from "effect"
import type { ReplicaSecret } from "./ReplicaSecret.js"

// Replicas speak TLS with a secret that both sides have, and without certificates: whoever lacks the secret does not
// get as far as a first message.

/** How long the two sides may take to find out that they have the same secret. */
const handshakeBound = Duration.seconds(2)

const identity = "replica"

/** Node takes such secrets with TLS 1.2 only. The cipher encrypts with keys that the secret alone does not give. */
const protocol = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305"
} as const

const serverOptions = (secret: ReplicaSecret): TlsOptions => ({
  ...protocol,
  pskCallback: (_, asked) => (asked === identity ? Redacted.value(secret) : null)
})

const clientOptions = (secret: ReplicaSecret): ConnectionOptions => ({
  ...protocol,
  pskCallback: () => ({ psk: Redacted.value(secret), identity }),
  // There is no certificate: the secret says who it is.
  checkServerIdentity: () => undefined
})

/** Waiting for the other side to say that it got what came before would take 40 ms. `tls.connect` ignores the option. */
const sendAtOnce = (connection: TLSSocket) => Effect.sync(() => connection.setNoDelay(true))

/** A connection whose other side has the secret; it is closed with the scope. */
const secured = (open: () => TLSSocket, event: "secure" | "secureConnect") =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const connection = open()
      // An error after the handshake is told by whoever reads or writes.
      connection.on("error", () => {})
      return connection
    }),
    (connection) => Effect.sync(() => connection.destroy())
  ).pipe(
    Effect.tap((connection) =>
      Effect.async<void, Socket.SocketError>((resume) => {
        const fail = (cause: unknown) =>
          resume(Effect.fail(new Socket.SocketGenericError({ reason: "Open", cause })))
        connection.once(event, () => resume(Effect.void))
        connection.once("error", fail)
        connection.once("close", () => fail(new Error("the other side has not the replicas' secret")))
      })
    ),
    Effect.tap(sendAtOnce)
  )

const bound = { openTimeout: handshakeBound }

/** Listens for the other replicas. */
export const layerServer = (
  secret: ReplicaSecret,
  place: { readonly host: string; readonly port: number }
): Layer.Layer<SocketServer.SocketServer, SocketServer.SocketServerError> =>
  Layer.scoped(
    SocketServer.SocketServer,
    Effect.map(NodeSocketServer.make(place), ({ address, run }) => {
      const options = {
        ...serverOptions(secret),
        isServer: true,
        secureContext: createSecureContext(protocol)
      }
      const accepted = Effect.flatMap(
        Effect.orDie(Effect.serviceOptional(NodeSocket.NetSocket)),
        (connection) =>
          NodeSocket.fromDuplex(
            secured(() => new TLSSocket(connection, options), "secure"),
            bound
          )
      )
      return SocketServer.SocketServer.of({
        address,
        run: (handler) => run(() => Effect.flatMap(accepted, handler))
      })
    })
  )

/** Reaches the other replicas. */
export const layerClient = (
  secret: ReplicaSecret
): Layer.Layer<Runners.RpcClientProtocol, never, RpcSerialization.RpcSerialization> =>
  Layer.effect(
    Runners.RpcClientProtocol,
    Effect.map(RpcSerialization.RpcSerialization, (serialization) =>
      Effect.fnUntraced(function* ({ host, port }) {
        const options = { ...clientOptions(secret), host, port }
        const socket = yield* NodeSocket.fromDuplex(
          secured(() => connect(options), "secureConnect"),
          bound
        )
        return yield* RpcClient.makeProtocolSocket().pipe(
          Effect.provideService(Socket.Socket, socket),
          Effect.provideService(RpcSerialization.RpcSerialization, serialization)
        )
      })
    )
  )
