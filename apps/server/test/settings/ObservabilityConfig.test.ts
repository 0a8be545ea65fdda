import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Option, Redacted } from "effect"
import { ObservabilityConfig } from "../../src/settings/ObservabilityConfig.js"

const read = (environment: Readonly<Record<string, string>>) =>
  Effect.provide(
    ObservabilityConfig,
    Layer.provide(
      ObservabilityConfig.layerFromEnv,
      Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
    )
  )

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" }

describe("ObservabilityConfig", () => {
  it.effect("sends nothing and tells nothing apart by default", () =>
    Effect.gen(function* () {
      const { collector, logsRequests, measuresUsers, metricsPort } = yield* read({})
      assert.deepStrictEqual(
        [collector.traces, collector.logs, metricsPort],
        [Option.none(), Option.none(), Option.none()]
      )
      assert.deepStrictEqual([logsRequests, measuresUsers], [false, false])
    })
  )

  it.effect("takes the usual variables of OpenTelemetry", () =>
    Effect.gen(function* () {
      const { collector } = yield* read({
        ...endpoint,
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "https://logs/there",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20a,x-b=c=d",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=prod",
        OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG: "0.25"
      })
      assert.deepStrictEqual(collector.traces, Option.some("http://collector:4318/v1/traces"))
      assert.deepStrictEqual(collector.logs, Option.some("https://logs/there"))
      assert.deepStrictEqual(Redacted.value(collector.headers), { authorization: "Bearer a", "x-b": "c=d" })
      assert.deepStrictEqual(collector.attributes, { "deployment.environment.name": "prod" })
      assert.strictEqual(collector.ratio, 0.25)
    })
  )

  it.effect("waits between two sendings for as long as a timer can", () =>
    Effect.gen(function* () {
      const { collector } = yield* read({ ...endpoint, OTEL_BSP_SCHEDULE_DELAY: "3600000" })
      assert.strictEqual(Duration.toHours(collector.interval), 1)
      const refused = yield* Effect.flip(read({ OTEL_BSP_SCHEDULE_DELAY: "9999999999" }))
      assert.include(String(refused), "milliseconds, 1 to 2147483647, got '9999999999'")
    })
  )

  it.effect("sends nothing when OpenTelemetry is off", () =>
    Effect.gen(function* () {
      const { collector } = yield* read({ ...endpoint, OTEL_SDK_DISABLED: "true" })
      assert.deepStrictEqual([collector.traces, collector.logs], [Option.none(), Option.none()])
    })
  )

  for (const [name, value] of [
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:SECRET@collector"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "authorization=SECRET\nx"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "SECRET"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
    ["OTEL_TRACES_SAMPLER_ARG", "2"],
    ["SANDBOX_METRICS_USERS", "yes"]
  ] as const)
    it.effect(`refuses ${JSON.stringify(value)} for ${name}, and says no secret`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [name]: value }))
        assert.include(String(error), name)
        assert.notInclude(String(error), "SECRET")
      })
    )
})
