import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { BulkheadClient } from "@bulkhead/api"
import type { ExecutionRequestInput, ExecutionResult } from "@bulkhead/domain"
import { FetchHttpClient } from "@effect/platform"
import { assert, layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Caller from "./Caller.js"
import * as Mcp from "./McpCaller.js"
import * as ServerProcess from "./ServerProcess.js"
import * as WebhookReceiver from "./WebhookReceiver.js"

const clients = fileURLToPath(new URL("../../../clients/python", import.meta.url))

/** A file that was forgotten, one that is kept, and more than are named that are not. */
const code = `
open("plot.csv", "w").write("a,b")
open("output/a.csv", "w").write("a,b")
for n in range(30): open(f"output/{n}.pyc", "w").write("a")
`

const request = { code, userId: "ann" }

const program = `
import json, os, sys
from bulkhead import Client
print(json.dumps(Client(os.environ["URL"]).execute(sys.argv[1], user_id="ann")))
`

const inPython = (url: string) =>
  Effect.async<ExecutionResult>((resume) => {
    const env = { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: "1", URL: url }
    execFile("python3", ["-c", program, code], { cwd: clients, env }, (_, stdout, stderr) =>
      resume(Effect.try(() => JSON.parse(stdout)).pipe(Effect.orElse(() => Effect.dieMessage(stderr))))
    )
  })

const streamed = (url: string, asked: ExecutionRequestInput) =>
  Effect.gen(function* () {
    const { stream } = yield* Effect.provide(BulkheadClient.make({ url }), FetchHttpClient.layer)
    const updates = [...(yield* Effect.orDie(Stream.runCollect(stream(asked))))]
    const last = updates.at(-1)
    assert(last?.type === "result")
    const files = updates.flatMap((update) => (update.type === "artifact" ? [update] : []))
    return { files, result: last.result }
  })

/** What no way of asking may leave out. */
const assertWhole = (
  way: string,
  { artifacts, hints, rejectedArtifacts, rejectedCounts }: ExecutionResult
) => {
  assert.deepStrictEqual(
    artifacts.map(({ name }) => name),
    ["a.csv"],
    way
  )
  assert.lengthOf(rejectedArtifacts, 3, way)
  assert.deepStrictEqual(
    rejectedCounts?.map(({ count }) => count),
    [30],
    way
  )
  assert.match(hints?.join("\n") ?? "", /plot\.csv.*30 files were not kept/s, way)
}

layer(ServerProcess.layer(WebhookReceiver.settings), { excludeTestServices: true, timeout: 60_000 })(
  "every way to ask",
  (it) => {
    it.scoped(
      "has the hints, and how many files were refused",
      () =>
        Effect.gen(function* () {
          const { url } = yield* ServerProcess.ServerProcess
          const receiver = yield* WebhookReceiver.make()
          const posted = yield* Caller.execute({ ...request, webhook: `${receiver.url}/` })
          assertWhole("POST /api/execute", posted)
          const { body } = yield* receiver.next
          assert(body.data.result)
          assertWhole("webhook", body.data.result)
          const job = yield* Caller.get(`/api/executions/${posted.executionId}`)
          assertWhole("GET /api/executions/:id", job.result)
          const { files, result } = yield* streamed(url, request)
          assertWhole("stream", result)
          assert.deepStrictEqual(
            files.flatMap(({ kept }) => kept ?? []),
            result.artifacts
          )
          assert.deepStrictEqual(
            files.flatMap(({ refused }) => refused ?? []),
            result.rejectedArtifacts
          )
          assertWhole("the client in Python", yield* inPython(url))
          const { caller } = yield* Mcp.connected()
          const told = yield* Mcp.call(caller, "execute_code", { code })
          assertWhole("MCP", told.structuredContent)
          const texts = told.content.map(({ text = "" }) => text).join("\n")
          assert.match(texts, /"hints":\[.*"rejectedCounts"|"rejectedCounts".*"hints":\[/)
        }),
      60_000
    )
  }
)
