import { createServer } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { Effect, Queue } from "effect"

/** The official definitions, as OpenTelemetry's own package has them; it exports no decoder. */
const { opentelemetry } = createRequire(import.meta.url)(
  "@opentelemetry/otlp-transformer/build/src/generated/root.js"
)
const { logs, trace } = opentelemetry.proto.collector
const decoders: Record<
  string,
  { decode: (bytes: Uint8Array) => unknown; fromObject: (json: object) => unknown }
> = {
  "/v1/traces": trace.v1.ExportTraceServiceRequest,
  "/v1/logs": logs.v1.ExportLogsServiceRequest
}

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: unknown }
}

export interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly attributes: Readonly<Record<string, string>>
}

export interface LogRecord {
  readonly traceId: string
  readonly text: string
}

const hex = (bytes: Uint8Array | string) =>
  typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("hex")

const attributesOf = (attributes: ReadonlyArray<Attribute>) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, String(value.stringValue ?? value.intValue ?? "")])
  )

type Id = Uint8Array | string

/** As far as it is looked at. */
interface TraceRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: ReadonlyArray<Attribute> }
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<{
        readonly name: string
        readonly traceId: Id
        readonly spanId: Id
        readonly parentSpanId?: Id | null
        readonly attributes: ReadonlyArray<Attribute>
      }>
    }>
  }>
}

/** As far as it is looked at. */
interface LogsRequest {
  readonly resourceLogs: ReadonlyArray<{
    readonly scopeLogs: ReadonlyArray<{
      readonly logRecords: ReadonlyArray<{
        readonly traceId?: Id | null
        readonly body?: { readonly stringValue?: string }
      }>
    }>
  }>
}

const spansOf = ({ resourceSpans }: TraceRequest, service: string): ReadonlyArray<Span> =>
  resourceSpans
    .filter(({ resource }) => attributesOf(resource.attributes)["service.name"] === service)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
    .map((span) => ({
      name: span.name,
      traceId: hex(span.traceId),
      spanId: hex(span.spanId),
      parentSpanId: hex(span.parentSpanId ?? ""),
      attributes: attributesOf(span.attributes)
    }))

const recordsOf = ({ resourceLogs }: LogsRequest): ReadonlyArray<LogRecord> =>
  resourceLogs
    .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords))
    .map(({ body, traceId }) => ({ traceId: hex(traceId ?? ""), text: body?.stringValue ?? "" }))

/** A collector that speaks OTLP over HTTP, in protobuf or JSON. */
export const make = (service = "bulkhead") =>
  Effect.gen(function* () {
    const spans = yield* Queue.unbounded<Span>()
    const records = yield* Queue.unbounded<LogRecord>()
    const raw: Array<string> = []
    const headers: Array<Record<string, unknown>> = []
    const server = yield* Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((request, response) => {
          const chunks: Array<Buffer> = []
          request.on("data", (chunk) => chunks.push(chunk))
          request.on("end", () => {
            const body = Buffer.concat(chunks)
            const decoder = decoders[request.url ?? ""]
            if (decoder === undefined) return response.writeHead(404).end()
            const decoded =
              request.headers["content-type"] === "application/json"
                ? JSON.parse(body.toString())
                : decoder.decode(body)
            raw.push(body.toString("latin1"))
            headers.push(request.headers)
            if (request.url === "/v1/traces")
              for (const span of spansOf(decoded as TraceRequest, service)) spans.unsafeOffer(span)
            if (request.url === "/v1/logs")
              for (const record of recordsOf(decoded as LogsRequest)) records.unsafeOffer(record)
            return response.writeHead(200, { "content-type": "application/json" }).end("{}")
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    )
    const { port } = server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}`, spans, records, raw, headers }
  })
