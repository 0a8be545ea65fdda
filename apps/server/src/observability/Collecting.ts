import * as OtlpLogger from "@effect/opentelemetry/OtlpLogger"
import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import * as OtlpTracer from "@effect/opentelemetry/OtlpTracer"
import { Effect, Layer, Option, Redacted } from "effect"
import { type Collector, ObservabilityConfig } from "../settings/ObservabilityConfig.js"
import * as CollectorClient from "./CollectorClient.js"
import * as RequestTracer from "./RequestTracer.js"

const optionsOf = ({ attributes, headers, interval, serviceName }: Collector) => ({
  headers: Redacted.value(headers),
  resource: { serviceName, attributes },
  exportInterval: interval,
  shutdownTimeout: "3 seconds" as const
})

const tracesTo = (collector: Collector) => (url: string) =>
  Layer.unwrapScoped(
    Effect.map(OtlpTracer.make({ ...optionsOf(collector), url }), (tracer) =>
      Layer.setTracer(RequestTracer.of(tracer, collector.ratio))
    )
  )

const logsTo = (collector: Collector) => (url: string) =>
  OtlpLogger.layer({ ...optionsOf(collector), url, excludeLogSpans: true })

const nothing = () => Layer.empty

/** Sends traces of requests and the log to the collector that the settings name; without one, nothing. */
export const layer = Layer.unwrapEffect(
  Effect.map(ObservabilityConfig, ({ collector }) =>
    Layer.mergeAll(
      Option.match(collector.traces, { onNone: nothing, onSome: tracesTo(collector) }),
      Option.match(collector.logs, { onNone: nothing, onSome: logsTo(collector) })
    ).pipe(
      Layer.provide(
        collector.protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf
      ),
      Layer.provide(CollectorClient.layer(collector.timeout))
    )
  )
)
