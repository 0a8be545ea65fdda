import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as ServerProcess from "../ServerProcess.js"
import * as Collector from "./Collector.js"

const secret = "SECRET-THAT-NO-TRACE-MAY-HAVE"
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const parentId = "00f067aa0ba902b7"

const execute = (url: string, headers: Readonly<Record<string, string>>, code = "print(6 * 7)") =>
  Effect.promise(async (signal) => {
    const answer = await fetch(`${url}/api/execute?token=${secret}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${secret}`, ...headers },
      body: JSON.stringify({ code, env: { KEY: secret } }),
      signal
    })
    return (await answer.json()) as Executed
  })

interface Executed {
  readonly executionId: string
  readonly verdict: string
  readonly traceId?: string
}

/** Of every execution that a server knows, the trace that it names. */
const namedTraces = (url: string) =>
  Effect.promise(async (signal) => {
    const answer = await fetch(`${url}/api/executions`, { signal })
    const { executions } = (await answer.json()) as { readonly executions: ReadonlyArray<Executed> }
    return new Map(executions.map(({ executionId, traceId }) => [executionId, traceId]))
  })

/** Takes spans until one is there that ends a request, as those beneath it are sent before it. */
const untilRequest = (
  { spans }: Effect.Effect.Success<ReturnType<typeof Collector.make>>,
  isWanted: (span: Collector.Span) => boolean
) =>
  Effect.gen(function* () {
    const taken: Array<Collector.Span> = []
    for (let span = yield* spans.take; ; span = yield* spans.take) {
      taken.push(span)
      if (isWanted(span)) return taken
    }
  })

const started = (
  settings: Readonly<Record<string, string>>
): Effect.Effect<Effect.Effect.Success<ReturnType<typeof ServerProcess.start>>, never, Scope.Scope> =>
  ServerProcess.start({ OTEL_BSP_SCHEDULE_DELAY: "100", ...settings })

const isRequest = ({ name }: Collector.Span) => name === "POST /api/execute"

describe("traces", { concurrent: true }, () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it.scopedLive(
      `of an execution go from its request to its sandbox, by ${protocol}`,
      () =>
        Effect.gen(function* () {
          const collector = yield* Collector.make("runner")
          const { url } = yield* started({
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
            OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
            OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20key",
            OTEL_SERVICE_NAME: "runner",
            SANDBOX_ACCESS_LOG: "stdout"
          })
          const { executionId, verdict } = yield* execute(url, {
            traceparent: `00-${traceId}-${parentId}-01`
          })
          assert.strictEqual(verdict, "Completed")
          const spans = yield* untilRequest(collector, isRequest)
          assert.deepStrictEqual([...new Set(spans.map((span) => span.traceId))], [traceId])
          const request = spans.find(isRequest)
          assert.strictEqual(request?.parentSpanId, parentId)
          assert.include(request?.attributes, {
            "http.route": "/api/execute",
            "http.response.status_code": "200",
            "bulkhead.execution.id": executionId
          })
          // Each is reached from the request.
          const parents = new Map(spans.map((span) => [span.spanId, span.parentSpanId]))
          const rootOf = (id: string): string => {
            const parent = parents.get(id)
            return parent === undefined ? id : rootOf(parent)
          }
          for (const name of [
            "SandboxService.execute",
            "Execution.run",
            "E2BSandbox.create",
            "E2BSandbox.run",
            // In the host, which serves the requests of the spans above.
            "EmbeddedHost POST /v2/sandboxes",
            "EmbeddedHost POST /process.Process/Start",
            "EmbeddedHost DELETE /sandboxes/:id"
          ]) {
            const span = spans.find((span) => span.name === name)
            assert.strictEqual(rootOf(span?.spanId ?? "none"), parentId, name)
          }
          const run = spans.find(({ name }) => name === "Execution.run")
          assert.include(run?.attributes, {
            "bulkhead.execution.id": executionId,
            "bulkhead.language": "python",
            "bulkhead.verdict": "Completed"
          })
          const ends = spans.filter(({ attributes }) => attributes["process.exit.code"] === "0")
          assert.deepStrictEqual(
            ends.map(({ name, parentSpanId }) => [
              name,
              spans.find(({ spanId }) => spanId === parentSpanId)?.name
            ]),
            [["EmbeddedHost POST /process.Process/Start", "E2BSandbox.run"]]
          )
          assert.isFalse(collector.raw.some((body) => body.includes(secret)))
          assert.isTrue(collector.headers.every((headers) => headers["x-key"] === "a key"))
        }),
      60_000
    )
  }

  it.scopedLive(
    "begin anew where a request's headers are malformed, hostile or of B3, and are not there if the caller wants none",
    () =>
      Effect.gen(function* () {
        const collector = yield* Collector.make()
        const { url } = yield* started({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
        const hostile = [
          { traceparent: `00-${"0".repeat(32)}-${parentId}-01` },
          { traceparent: `00-${traceId}-${"0".repeat(16)}-01` },
          { traceparent: `ff-${traceId}-${parentId}-01` },
          { traceparent: `00-${traceId}-${parentId}-01-more` },
          { traceparent: `00-${traceId.toUpperCase()}-${parentId}-01` },
          { traceparent: "x".repeat(4000) },
          { b3: "not-hex-at-all" },
          { b3: `${traceId}-${parentId}-1` },
          { "x-b3-traceid": "<script>", "x-b3-spanid": '\\"' }
        ]
        yield* execute(url, { traceparent: `00-${traceId}-${parentId}-00` })
        for (const headers of hostile) yield* execute(url, headers, "")
        // Sent after all others.
        yield* execute(url, { traceparent: `00-${"ab".repeat(16)}-${parentId}-01` }, "")
        const spans = yield* untilRequest(
          collector,
          (span) => isRequest(span) && span.traceId === "ab".repeat(16)
        )
        const requests = spans.filter(isRequest)
        assert.strictEqual(requests.length, hostile.length + 1)
        assert.isTrue(spans.every((span) => /^[0-9a-f]{32}$/.test(span.traceId) && span.traceId !== traceId))
        assert.isTrue(requests.slice(0, -1).every((span) => span.parentSpanId === ""))
        // Nothing that the server does by itself.
        const ids = new Set(requests.map((span) => span.traceId))
        assert.isTrue(spans.every((span) => ids.has(span.traceId)))
      }),
    60_000
  )

  it.scopedLive(
    "are named by the answer and the record of an execution, also after a restart, where somebody records them",
    () =>
      Effect.gen(function* () {
        const collector = yield* Collector.make()
        const SANDBOX_DATA_DIR = yield* ServerProcess.temporaryDirectory
        const { ended, kill, url } = yield* started({
          SANDBOX_DATA_DIR,
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url
        })
        const unrecorded = yield* execute(url, { traceparent: `00-${traceId}-${parentId}-00` })
        assert.notProperty(unrecorded, "traceId")
        const asked = yield* execute(url, { traceparent: `00-${traceId}-${parentId}-01` })
        assert.strictEqual(asked.traceId, traceId)
        const own = yield* execute(url, {})
        const spans = yield* untilRequest(
          collector,
          (span) => isRequest(span) && span.attributes["bulkhead.execution.id"] === own.executionId
        )
        assert.strictEqual(own.traceId, spans.at(-1)?.traceId)
        const named = new Map(
          [unrecorded, asked, own].map(({ executionId, traceId }) => [executionId, traceId])
        )
        assert.deepStrictEqual(yield* namedTraces(url), named)
        yield* kill("SIGTERM")
        yield* ended

        const again = yield* started({ SANDBOX_DATA_DIR })
        assert.deepStrictEqual(yield* namedTraces(again.url), named)
        assert.notProperty(yield* execute(again.url, {}), "traceId")
        const passed = yield* execute(again.url, { traceparent: `00-${traceId}-${parentId}-01` })
        assert.strictEqual(passed.traceId, traceId, "its caller records it")
      }),
    60_000
  )

  it.scopedLive(
    "of a collector that is not there cost nothing, and it is said once",
    () =>
      Effect.gen(function* () {
        const { ended, kill, url } = yield* started({
          OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9"
        })
        for (let count = 0; count < 3; count++)
          assert.strictEqual((yield* execute(url, {})).verdict, "Completed")
        yield* kill("SIGTERM")
        const { stdout } = yield* ended
        const said = stdout.split("\n").filter((line) => line.includes("does not take what is sent"))
        assert.strictEqual(said.length, 1, stdout)
      }),
    60_000
  )

  it.scopedLive(
    "are named in the lines of the log, which the collector gets too",
    () =>
      Effect.gen(function* () {
        const collector = yield* Collector.make()
        const { ended, kill, url } = yield* started({
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          SANDBOX_ACCESS_LOG: "stdout",
          SANDBOX_EVENT_LOG: "stdout"
        })
        const { executionId } = yield* execute(url, { traceparent: `00-${traceId}-${parentId}-01` })
        yield* kill("SIGTERM")
        const { stdout } = yield* ended
        const lines = stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
        const request = lines.find(({ type }) => type === "request")
        assert.include(request, {
          ...{ method: "POST", route: "/api/execute", status: 200, caller: "local", executionId, traceId }
        })
        assert.isAbove(request.bytes, 300)
        const events = lines.filter(({ event }) => event !== undefined)
        assert.isAbove(events.length, 3)
        assert.isTrue(events.every((event) => event.executionId !== executionId || event.traceId === traceId))
        assert.notInclude(stdout, secret)
        const logged = yield* collector.records.takeAll
        assert.include([...logged].map(({ text }) => text).join("\n"), "Shutting down")
      }),
    60_000
  )
})
