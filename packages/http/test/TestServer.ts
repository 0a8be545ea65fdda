import { createServer } from "node:http"
import { ArtifactStore } from "@bulkhead/artifacts"
import { UserId } from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, Redacted } from "effect"
import { type CallerKey, Credentials } from "../../src/http/authentication/Credentials.js"
import * as HttpApp from "../../src/http/HttpApp.js"

export const adminToken = "the-admin-token"
export const aliceKey = "the-key-of-alice"
export const alice = UserId.make("alice")

/** The address of a server with the real routes on a real socket. */
export class TestServer extends Context.Tag("test/TestServer")<TestServer, { readonly url: string }>() {}

export const callerKeys = [
  { userId: alice, key: Redacted.make(aliceKey) },
  { userId: UserId.make("bob"), key: Redacted.make("the-key-of-bob") }
]

const serving = Layer.unwrapScoped(Effect.map(HttpApp.make, (app) => HttpServer.serve(app)))

export const layer = (
  service: Layer.Layer<SandboxService>,
  { callerKeys = [] }: { readonly callerKeys?: ReadonlyArray<CallerKey> } = {},
  artifacts: Layer.Layer<ArtifactStore> = ArtifactStore.layerMemory
) =>
  Layer.effect(
    TestServer,
    Effect.map(HttpServer.HttpServer, ({ address }) => ({
      url: address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : address.path
    }))
  ).pipe(
    Layer.provide(serving),
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
    Layer.provide([
      service,
      artifacts,
      Layer.succeed(Credentials, { adminToken: Redacted.make(adminToken), callerKeys })
    ])
  )

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Sends one request and reads the whole answer. */
export const send = (path: string, init: RequestInit = {}): Effect.Effect<Answer, never, TestServer> =>
  Effect.flatMap(TestServer, ({ url }) =>
    Effect.promise(async (signal) => {
      const response = await fetch(`${url}${path}`, { signal, ...init })
      return { status: response.status, headers: response.headers, text: await response.text() }
    })
  )

export const json = (answer: Answer) => JSON.parse(answer.text)

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

export const asAdmin = bearer(adminToken)

/** Posts to `/api/execute`. */
export const execute = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  send("/api/execute", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })
