import { Array as Arr, Effect, Metric, MetricKeyType, type MetricPair, MetricState, Option } from "effect"
import { AggregatorRegistry, collectDefaultMetrics, Registry } from "prom-client"
import type { Sample } from "./SystemSamples.js"

export const contentType = Registry.PROMETHEUS_CONTENT_TYPE

interface Value {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** A metric as prom-client takes it. */
interface Family {
  readonly name: string
  readonly help: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly aggregator: "sum"
  readonly values: ReadonlyArray<Value>
}

type Pair = MetricPair.MetricPair.Untyped

const typeOf = ({ metricKey: { keyType } }: Pair): Family["type"] | undefined => {
  if (MetricKeyType.isCounterKey(keyType)) return "counter"
  if (MetricKeyType.isHistogramKey(keyType)) return "histogram"
  return MetricKeyType.isGaugeKey(keyType) ? "gauge" : undefined
}

const labelsOf = ({ metricKey }: Pair) =>
  Object.fromEntries(metricKey.tags.map(({ key, value }) => [key, value]))

const leOf = (bound: number) => (Number.isFinite(bound) ? bound : "+Inf")

const histogramOf = (
  name: string,
  labels: Value["labels"],
  { buckets, count, sum }: MetricState.MetricState.Histogram
): ReadonlyArray<Value> => [
  ...buckets.map(([bound, value]) => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: leOf(bound) },
    value
  })),
  { metricName: `${name}_sum`, labels, value: sum },
  { metricName: `${name}_count`, labels, value: count }
]

const valuesOf = (pair: Pair): ReadonlyArray<Value> => {
  const { metricKey, metricState } = pair
  const labels = labelsOf(pair)
  if (MetricState.isHistogramState(metricState)) return histogramOf(metricKey.name, labels, metricState)
  if (MetricState.isCounterState(metricState)) return [{ labels, value: Number(metricState.count) }]
  return MetricState.isGaugeState(metricState) ? [{ labels, value: Number(metricState.value) }] : []
}

const familyOf = (pairs: Arr.NonEmptyArray<Pair>): ReadonlyArray<Family> => {
  const [first] = pairs
  const type = typeOf(first)
  if (type === undefined) return []
  const { description, name } = first.metricKey
  const help = Option.getOrElse(description, () => name)
  return [{ name, help, type, aggregator: "sum", values: pairs.flatMap(valuesOf) }]
}

/** Of what is measured in this process, that which is ours. */
const isOurs = ({ metricKey: { name } }: Pair) => name.startsWith("bulkhead_")

const families = Effect.map(Metric.snapshot, (pairs) =>
  Object.values(Arr.groupBy(pairs.filter(isOurs), ({ metricKey }) => metricKey.name)).flatMap(familyOf)
)

const ofSample = (sample: Sample): Family => ({ ...sample, aggregator: "sum" })

/** They are no counters, though their names say so. */
const misnamed = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total"
]

/** Memory, CPU, the event loop and file descriptors of this process, by the names that all of Prometheus' clients have. */
const ofProcess = Effect.sync(() => {
  const register = new Registry()
  collectDefaultMetrics({ register })
  for (const name of misnamed) register.removeSingleMetric(name)
  return register
})

/** Gives all that is measured, in the text format of Prometheus, with these samples. */
export const make = Effect.map(
  ofProcess,
  (process) =>
    (samples: ReadonlyArray<Sample>): Effect.Effect<string> =>
      Effect.gen(function* () {
        const measured = AggregatorRegistry.aggregate([[...(yield* families), ...samples.map(ofSample)]])
        const texts = yield* Effect.promise(() => Promise.all([measured.metrics(), process.metrics()]))
        return texts.join("\n")
      })
)
