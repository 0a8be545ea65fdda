import { ExecutionResult } from "@bulkhead/domain"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import type { ServerUnderTest } from "./ServerUnderTest.js"

const failure = (error: { readonly message: string }) =>
  new BenchFailure({ message: `POST /api/execute: ${error.message}` })

/** Connections that are kept open while the layer lives. */
export const layer: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerWithoutAgent.pipe(
  Layer.provide(NodeHttpClient.makeAgentLayer({ keepAlive: true }))
)

/** Has a Python program run; whatever comes of it. Seconds of wall time. */
export const execute = (server: ServerUnderTest, code: string, timeout?: number) =>
  HttpClientRequest.post(`${server.url}/api/execute`).pipe(
    HttpClientRequest.bodyUnsafeJson({ code, ...(timeout === undefined ? {} : { timeout }) }),
    HttpClient.execute,
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap(HttpClientResponse.schemaBodyJson(ExecutionResult)),
    Effect.mapError(failure)
  )

/** Has a Python program run that must complete with this output. */
export const complete = (server: ServerUnderTest, code: string, stdout: string) =>
  Effect.filterOrFail(
    execute(server, code),
    (result) => result.verdict === "Completed" && result.stdout === stdout,
    (result) => failure({ message: JSON.stringify(result) })
  )

/** Waits until the server says that it is well. */
export const health = (server: ServerUnderTest) =>
  HttpClient.get(`${server.url}/health`).pipe(
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.mapError(failure)
  )
