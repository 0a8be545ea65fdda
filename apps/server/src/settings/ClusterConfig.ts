import { Config, ConfigError, Context, Either, Layer, Option, type Redacted } from "effect"
import { variables } from "./Variables.js"

/** How this server is one of several replicas. */
export interface ClusterSettings {
  readonly databaseUrl: Redacted.Redacted
  /** Where the others reach it. */
  readonly host: string
  /** TCP port; 0 takes a free one. */
  readonly port: number
}

const noDatabase = ConfigError.InvalidData(
  ["SANDBOX_CLUSTER"],
  "replicas share a PostgreSQL: set DATABASE_URL to it, or SANDBOX_CLUSTER to off"
)

/** None: this server is one by itself. */
export class ClusterConfig extends Context.Tag("@bulkhead/server/ClusterConfig")<
  ClusterConfig,
  Option.Option<ClusterSettings>
>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<ClusterConfig, ConfigError.ConfigError> = Layer.effect(
    ClusterConfig,
    Config.all({
      isOn: Config.map(variables.cluster.config, (word) => word === "on"),
      databaseUrl: variables.databaseUrl.config,
      host: variables.clusterHost.config,
      port: variables.clusterPort.config
    }).pipe(
      Config.mapOrFail(({ databaseUrl, host, isOn, port }) => {
        if (!isOn) return Either.right(Option.none())
        return Option.match(databaseUrl, {
          onNone: () => Either.left(noDatabase),
          onSome: (databaseUrl) => Either.right(Option.some({ databaseUrl, host, port }))
        })
      })
    )
  )
}
