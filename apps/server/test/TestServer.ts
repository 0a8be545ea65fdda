import { ArtifactStore } from "@bulkhead/artifacts"
import { UserId } from "@bulkhead/domain"
import { Limits, type SandboxService } from "@bulkhead/sandbox"
import { HttpServer } from "@effect/platform"
import { Context, Effect, Layer, Redacted } from "effect"
import * as App from "../src/App.js"
import { ServerConfig, type ServerSettings } from "../src/ServerConfig.js"

export const adminToken = "the-admin-token"
export const aliceKey = "the-key-of-alice"
export const alice = UserId.make("alice")

/** The address of a server with the real routes on a real socket. */
export class TestServer extends Context.Tag("test/TestServer")<TestServer, { readonly url: string }>() {}

const settings: ServerSettings = {
  port: 0,
  host: "127.0.0.1",
  backend: { _tag: "Embedded" },
  adminToken: Redacted.make(adminToken),
  adminTokenIsRandom: false,
  callerKeys: [],
  instance: "test"
}

export const callerKeys = [
  { userId: alice, key: Redacted.make(aliceKey) },
  { userId: UserId.make("bob"), key: Redacted.make("the-key-of-bob") }
]

export const layer = (
  service: Layer.Layer<SandboxService>,
  some: Partial<ServerSettings> = {},
  artifacts: Layer.Layer<ArtifactStore> = ArtifactStore.layerMemory
) =>
  Layer.effect(
    TestServer,
    Effect.map(HttpServer.HttpServer, ({ address }) => ({
      url: address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : address.path
    }))
  ).pipe(
    Layer.provide(App.layer),
    Layer.provide([service, artifacts, Limits.layer(), Layer.succeed(ServerConfig, { ...settings, ...some })])
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
