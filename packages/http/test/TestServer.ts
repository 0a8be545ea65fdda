import { createServer } from "node:http"
import { ArtifactStore } from "@bulkhead/artifacts"
import { UserId } from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, Redacted } from "effect"
import { AdminToken, Authentication, BulkheadHttp, type CallerKey, CallerKeys } from "../src/index.js"

export const adminToken = "the-admin-token"
export const aliceKey = "the-key-of-alice"
export const alice = UserId.make("alice")

/** The address of a server with the real routes on a real socket. */
export class TestServer extends Context.Tag("test/TestServer")<TestServer, { readonly url: string }>() {}

export const callerKeys = [
  { userId: alice, key: Redacted.make(aliceKey) },
  { userId: UserId.make("bob"), key: Redacted.make("the-key-of-bob") }
]

/** Without keys, callers need none. */
export const authentication = (callerKeys: ReadonlyArray<CallerKey>) =>
  (callerKeys.length === 0
    ? Authentication.layerThisMachine
    : Layer.provide(Authentication.layer, CallerKeys.layer(callerKeys))
  ).pipe(Layer.provide(AdminToken.layer(Redacted.make(adminToken))))

/** Listens on a free port. */
export const listening = <E, R>(serving: Layer.Layer<never, E, R>) =>
  Layer.effect(
    TestServer,
    Effect.map(HttpServer.HttpServer, ({ address }) => ({
      url: address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : address.path
    }))
  ).pipe(
    Layer.provide(serving),
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
  )

/** Serves the whole contract at the root. */
export const serving = Layer.unwrapScoped(Effect.map(BulkheadHttp.make(), (app) => HttpServer.serve(app)))

/** The whole contract at the root. */
export const layer = (
  service: Layer.Layer<SandboxService>,
  { callerKeys = [] }: { readonly callerKeys?: ReadonlyArray<CallerKey> } = {},
  artifacts: Layer.Layer<ArtifactStore> = ArtifactStore.layerMemory
) => Layer.provide(listening(serving), [service, artifacts, authentication(callerKeys)])

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
