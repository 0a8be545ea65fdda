import { ConfigProvider, Effect, Layer } from "effect"
import { describeFailure } from "../src/StartFailure.js"
import * as Settings from "../src/settings/Settings.js"

export type Environment = Readonly<Record<string, string>>

/** All settings, from these variables alone. */
export const settingsFrom = (environment: Environment) =>
  Layer.provide(
    Settings.layerFromEnv,
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
  )

/** What keeps a part of the server from starting with these settings, as a server in a process of its own says it. */
export const refusal = <A, E>(
  part: Layer.Layer<A, E, Layer.Layer.Success<typeof Settings.layerFromEnv>>,
  environment: Environment
) =>
  Layer.build(part).pipe(
    Effect.provide(settingsFrom(environment)),
    Effect.flip,
    Effect.map(describeFailure),
    Effect.scoped
  )
