import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Collector from "../../server/test/observability/Collector.js"
import * as ServerProcess from "../../server/test/ServerProcess.js"
import * as Cli from "./Cli.js"

/** Runs a program and lists it, as JSON. */
const runAndList = Effect.gen(function* () {
  const program = join(yield* ServerProcess.temporaryDirectory, "program.py")
  writeFileSync(program, "print(1)")
  const printed = (...words: ReadonlyArray<string>) =>
    Effect.map(Cli.runAtServer(words), ({ stdout }) => JSON.parse(stdout.toString()))
  return { run: yield* printed("run", program, "--json"), listed: yield* printed("ps", "--all", "--json") }
})

it.scopedLive(
  "the server's trace of an execution is named by run and ps",
  () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make()
      const server = ServerProcess.layer({
        OTEL_BSP_SCHEDULE_DELAY: "100",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url
      })
      const { listed, run } = yield* Effect.provide(runAndList, server)
      assert.match(run.traceId, /^[0-9a-f]{32}$/)
      assert.include(listed, { executionId: run.executionId, traceId: run.traceId })
      const spans = [...(yield* collector.spans.takeAll)].filter(({ traceId }) => traceId === run.traceId)
      assert.includeMembers(
        spans.map(({ name }) => name),
        ["POST /api/executions", "Execution.run"]
      )
      // The command itself tells nobody of a span of its own.
      const begun = spans.find(({ name }) => name === "POST /api/executions")
      assert.strictEqual(begun?.parentSpanId, "")
    }),
  60_000
)

it.scopedLive(
  "no trace is named where nobody records one",
  () =>
    Effect.gen(function* () {
      const { listed, run } = yield* Effect.provide(runAndList, ServerProcess.layer())
      assert.notProperty(run, "traceId")
      assert.notProperty(listed, "traceId")
    }),
  60_000
)
