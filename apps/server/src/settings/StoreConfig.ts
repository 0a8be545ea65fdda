import { userInfo } from "node:os"
import { join } from "node:path"
import type { AllowedArtifacts } from "@bulkhead/artifacts"
import type { ClamavAddress } from "@bulkhead/clamav"
import type { PriceValues } from "@bulkhead/sandbox"
import { Config, ConfigError, Context, Duration, Effect, Layer, Option, type Redacted } from "effect"
import * as Terminal from "../Terminal.js"
import * as ArtifactPlace from "./ArtifactPlace.js"
import { variables } from "./Variables.js"

/** Where the server keeps what happened, and for how long. */
export interface StoreSettings {
  /** Of the artifacts, and of the SQLite database where that is used. */
  readonly directory: string
  /** PostgreSQL, instead of SQLite. */
  readonly databaseUrl: Option.Option<Redacted.Redacted>
  /** `full`: a commit waits for the disk, and so survives a power loss. */
  readonly durability: "normal" | "full"
  /** Days that an execution is kept after its end; 0: for ever. */
  readonly retentionDays: number
  /** MB of executions, events, results and artifacts; 0: no limit. */
  readonly retentionMB: number
  readonly artifactPlace: ArtifactPlace.ArtifactPlace
  /** MB of all artifacts; 0: no limit. */
  readonly artifactsMB: number
  /** MB of one user's artifacts; 0: no limit. */
  readonly userArtifactsMB: number
  /** How long a file is kept that was sent by itself. */
  readonly uploadLifetime: Duration.Duration
  /** MB of all files that callers send; 0: no limit. */
  readonly uploadsMB: number
  /** MB of one user's; 0: no limit. */
  readonly userUploadsMB: number
  /** Whether every event is also written to stdout, as a line of JSON. */
  readonly logsEvents: boolean
  readonly prices: PriceValues
  /** How long a look at one artifact may take. */
  readonly inspectionTime: Duration.Duration
  /** What programs may leave; what is absent is as it is by default. */
  readonly allowedArtifacts: AllowedArtifacts.Options
  /** Where clamd listens; none: artifacts are not scanned. */
  readonly clamavAddress: Option.Option<ClamavAddress>
}

const places = Config.all({
  dataDirectory: variables.dataDirectory.config,
  stateHome: variables.stateHome.config,
  home: variables.home.config
})

const homeOfUser = Effect.try({
  try: () => userInfo().homedir,
  catch: () =>
    ConfigError.MissingData(["SANDBOX_DATA_DIR"], "expected a directory, since this user has no home")
})

const directory = Effect.flatMap(places, ({ dataDirectory, home, stateHome }) =>
  dataDirectory.pipe(
    Effect.orElse(() => Effect.map(stateHome, (state) => join(state, "bulkhead"))),
    Effect.orElse(() =>
      Effect.map(
        Effect.orElse(home, () => homeOfUser),
        (home) => join(home, ".local/state/bulkhead")
      )
    )
  )
)

/** On a terminal the events would only be in the way. */
const logsEvents = Effect.flatMap(
  variables.eventLog.config,
  Option.match({
    onNone: () => Effect.negate(Terminal.isOnStdout),
    onSome: (target) => Effect.succeed(target === "stdout")
  })
)

const allowedArtifacts = Effect.map(
  Effect.all({
    kinds: variables.artifactKinds.config,
    ofUsers: variables.userArtifactKinds.config,
    activeContent: variables.activeArtifacts.config
  }),
  ({ activeContent, kinds, ofUsers }): AllowedArtifacts.Options => ({
    activeContent,
    ...(Option.isSome(kinds) && { kinds: kinds.value }),
    ...(Option.isSome(ofUsers) && { ofUsers: ofUsers.value })
  })
)

/** How the store of this server is set up. */
export class StoreConfig extends Context.Tag("@bulkhead/server/StoreConfig")<StoreConfig, StoreSettings>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<StoreConfig, ConfigError.ConfigError> = Layer.effect(
    StoreConfig,
    Effect.all({
      directory,
      databaseUrl: variables.databaseUrl.config,
      durability: variables.durability.config,
      retentionDays: variables.retentionDays.config,
      retentionMB: variables.retentionMB.config,
      artifactPlace: ArtifactPlace.config,
      artifactsMB: variables.artifactsMB.config,
      userArtifactsMB: variables.userArtifactsMB.config,
      uploadLifetime: Effect.map(variables.uploadHours.config, Duration.hours),
      uploadsMB: variables.uploadsMB.config,
      userUploadsMB: variables.userUploadsMB.config,
      logsEvents,
      prices: Effect.all({
        vcpuSecond: variables.priceVcpuSecond.config,
        gibSecond: variables.priceGibSecond.config,
        gpuSecond: variables.priceGpuSecond.config
      }),
      inspectionTime: Effect.map(variables.inspectionSeconds.config, Duration.seconds),
      allowedArtifacts,
      clamavAddress: variables.clamavAddress.config
    })
  )
}
