import { Agent, type IncomingMessage, request } from "node:http"
import type { ExecutionResult } from "@bulkhead/domain"
import { Context, Effect, Layer } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import type { ServerUnderTest } from "./ServerUnderTest.js"

const failure = (message: string) => new BenchFailure({ message: `POST /api/execute: ${message}` })

/** The connections that requests share. Node's own client: whatever a client costs, it takes from the machine under test. */
export class Connections extends Context.Tag("@bulkhead/bench/Connections")<Connections, Agent>() {}

/** Connections that are kept open while the layer lives. */
export const layer: Layer.Layer<Connections> = Layer.scoped(
  Connections,
  Effect.acquireRelease(
    Effect.sync(() => new Agent({ keepAlive: true })),
    (agent) => Effect.sync(() => agent.destroy())
  )
)

/** The text of a successful answer. */
const ask = (server: ServerUnderTest, path: string, body?: string) =>
  Effect.flatMap(Connections, (agent) =>
    Effect.async<string, BenchFailure>((resume) => {
      const fail = (error: Error) => resume(failure(error.message))
      const read = (answer: IncomingMessage) => {
        let text = ""
        answer.setEncoding("utf8")
        answer.on("data", (piece: string) => {
          text += piece
        })
        answer.on("error", fail)
        answer.on("end", () =>
          resume(answer.statusCode === 200 ? Effect.succeed(text) : failure(`${answer.statusCode} ${text}`))
        )
      }
      const options =
        body === undefined
          ? { agent }
          : { agent, method: "POST", headers: { "content-type": "application/json" } }
      const asked = request(`${server.url}${path}`, options, read)
      asked.on("error", fail)
      asked.end(body)
      return Effect.sync(() => asked.destroy())
    })
  )

const parse = (text: string) =>
  Effect.try({
    try: () => JSON.parse(text) as ExecutionResult,
    catch: () => failure(`expected JSON, got ${text}`)
  })

/** Has a Python program run; whatever comes of it. Seconds of wall time. */
export const execute = (server: ServerUnderTest, code: string, timeout?: number) =>
  Effect.flatMap(ask(server, "/api/execute", JSON.stringify({ code, timeout })), parse)

/** Has a Python program run that must complete with this output. */
export const complete = (server: ServerUnderTest, code: string, stdout: string) =>
  Effect.filterOrFail(
    execute(server, code),
    (result) => result.verdict === "Completed" && result.stdout === stdout,
    (result) => failure(JSON.stringify(result))
  )

/** Waits until the server says that it is well. */
export const health = (server: ServerUnderTest) => ask(server, "/health")
