import { Config, type ConfigError, Context, Duration, Layer, Option, Redacted } from "effect"
import type { Attributes } from "./OtelFormats.js"
import { variables } from "./Variables.js"

/** A collector of OpenTelemetry's. */
export interface Collector {
  /** Where traces go. */
  readonly traces: Option.Option<string>
  /** Where logs go. */
  readonly logs: Option.Option<string>
  readonly protocol: "http/protobuf" | "http/json"
  readonly headers: Redacted.Redacted<Attributes>
  /** How long it may take to answer. */
  readonly timeout: Duration.Duration
  /** How long passes between two sendings. */
  readonly interval: Duration.Duration
  readonly serviceName: string
  readonly attributes: Attributes
  /** Of the requests that come without a decision, this part is traced. */
  readonly ratio: number
}

export interface ObservabilitySettings {
  /** Whether every request is also a line of JSON on stdout. */
  readonly logsRequests: boolean
  /** Port on 127.0.0.1 that has the metrics without a token. */
  readonly metricsPort: Option.Option<number>
  /** Whether there are metrics of each user. */
  readonly measuresUsers: boolean
  readonly collector: Collector
}

const environment = Config.all({
  accessLog: variables.accessLog.config,
  metricsPort: variables.metricsPort.config,
  metricsUsers: variables.metricsUsers.config,
  isDisabled: variables.otelDisabled.config,
  endpoint: variables.otelEndpoint.config,
  tracesEndpoint: variables.otelTracesEndpoint.config,
  logsEndpoint: variables.otelLogsEndpoint.config,
  protocol: variables.otelProtocol.config,
  headers: variables.otelHeaders.config,
  timeout: variables.otelTimeout.config,
  interval: variables.otelInterval.config,
  serviceName: variables.otelServiceName.config,
  resource: variables.otelResource.config,
  sampler: variables.otelSampler.config,
  samplerRatio: variables.otelSamplerRatio.config
})

type Environment = Config.Config.Success<typeof environment>

const placeOf = (
  { endpoint, isDisabled }: Environment,
  own: Option.Option<string>,
  path: string
): Option.Option<string> =>
  isDisabled === "true"
    ? Option.none()
    : Option.orElse(own, () => Option.map(endpoint, (url) => `${url.replace(/\/+$/, "")}${path}`))

const ratioOf = ({ sampler, samplerRatio }: Environment) => {
  if (sampler === "parentbased_traceidratio") return samplerRatio
  return sampler === "parentbased_always_on" ? 1 : 0
}

const none: Attributes = {}

const settingsOf = (given: Environment): ObservabilitySettings => ({
  logsRequests: given.accessLog === "stdout",
  metricsPort: given.metricsPort,
  measuresUsers: given.metricsUsers === "true",
  collector: {
    traces: placeOf(given, given.tracesEndpoint, "/v1/traces"),
    logs: placeOf(given, given.logsEndpoint, "/v1/logs"),
    protocol: given.protocol,
    headers: Option.getOrElse(given.headers, () => Redacted.make(none)),
    timeout: Duration.millis(given.timeout),
    interval: Duration.millis(given.interval),
    serviceName: given.serviceName,
    attributes: Option.getOrElse(given.resource, () => none),
    ratio: ratioOf(given)
  }
})

/** What this server tells of itself, and to whom. */
export class ObservabilityConfig extends Context.Tag("@bulkhead/server/ObservabilityConfig")<
  ObservabilityConfig,
  ObservabilitySettings
>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<ObservabilityConfig, ConfigError.ConfigError> = Layer.effect(
    ObservabilityConfig,
    Config.map(environment, settingsOf)
  )
}
